/* NVIDIA's management library as a test needs it: two cards, one that has everything and one that has little.
 *
 * Built as libnvidia-ml.so.1 and loaded by the real bindings (nvidia-ml-py). The structures are those of nvml.h.
 * FAKE_NVML: "none" no driver, "empty" a driver without cards, "old" a driver without the second memory call,
 * "lost" the first card has fallen off the bus after it was found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };
enum { RICH = 1, POOR = 2 };
enum { CLOCK_SM = 1, CLOCK_MEM = 2, FIELD_MEMORY_TEMP = 82 };

typedef unsigned long long u64;
typedef struct { char legacy[16]; unsigned domain, bus, device, device_id, subsystem_id; char bus_id[32]; } Pci;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { u64 total, free, used; } Memory1;
typedef struct { unsigned version; u64 total, reserved, free, used; } Memory2;
typedef struct {
    unsigned field, scope;
    long long timestamp, latency;
    unsigned type, result;
    union { double d; unsigned ui; u64 ull; } value;
} Field;

static const u64 MIB = 1 << 20;

static int is(const char *scenario) {
    const char *wanted = getenv("FAKE_NVML");
    return wanted != NULL && strcmp(wanted, scenario) == 0;
}

static int rich(void *card) { return (long)card == RICH; }

/* What only the rich card answers. */
static int only_rich(void *card, unsigned *out, unsigned value) {
    if (!rich(card)) return NOT_SUPPORTED;
    if (is("lost")) return GPU_IS_LOST;
    *out = value;
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { return flags != 0 ? INVALID_ARGUMENT : is("none") ? DRIVER_NOT_LOADED : SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int result) { return result == DRIVER_NOT_LOADED ? "Driver Not Loaded" : "Not Supported"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = is("empty") ? 0 : 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) { *card = (void *)(long)(index + 1); return SUCCESS; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "580.65.06"); return SUCCESS; }

int nvmlDeviceGetUUID(void *card, char *out, unsigned size) {
    snprintf(out, size, rich(card) ? "GPU-11111111-2222-3333-4444-555555555555" : "GPU-99999999-8888-7777-6666-555555555555");
    return SUCCESS;
}

int nvmlDeviceGetName(void *card, char *out, unsigned size) {
    snprintf(out, size, rich(card) ? "NVIDIA H100 80GB HBM3" : "NVIDIA GeForce GTX 1050");
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(void *card, Pci *out) {
    memset(out, 0, sizeof *out);
    snprintf(out->bus_id, sizeof out->bus_id, "00000000:%02X:00.0", rich(card) ? 0xB1 : 0x08);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *card, Utilization *out) {
    if (rich(card) && is("lost")) return GPU_IS_LOST;
    *out = rich(card) ? (Utilization){93, 41} : (Utilization){7, 2};
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *card, Memory1 *out) {
    if (rich(card) && is("lost")) return GPU_IS_LOST;
    *out = rich(card) ? (Memory1){81559 * MIB, 73000 * MIB, 8559 * MIB} : (Memory1){2048 * MIB, 1948 * MIB, 100 * MIB};
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *card, Memory2 *out) {
    if (is("old")) return NOT_SUPPORTED;
    if (out->version != (2u << 24 | sizeof *out)) return INVALID_ARGUMENT;
    if (rich(card) && is("lost")) return GPU_IS_LOST;
    *out = rich(card) ? (Memory2){0, 81559 * MIB, 559 * MIB, 73000 * MIB, 8000 * MIB + 524288}
                      : (Memory2){0, 2048 * MIB, 48 * MIB, 1948 * MIB, 52 * MIB};
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *card, unsigned sensor, unsigned *out) {
    if (sensor != 0) return INVALID_ARGUMENT;
    *out = rich(card) ? 61 : 255; /* the poor card's way of saying that it does not know */
    return rich(card) && is("lost") ? GPU_IS_LOST : SUCCESS;
}

int nvmlDeviceGetClockInfo(void *card, unsigned clock, unsigned *out) {
    if (rich(card) && is("lost")) return GPU_IS_LOST;
    *out = clock == CLOCK_SM ? (rich(card) ? 1980 : 1354) : clock == CLOCK_MEM ? (rich(card) ? 2619 : 3504) : 0;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *card, unsigned *out) { return only_rich(card, out, 412345); }
int nvmlDeviceGetPcieReplayCounter(void *card, unsigned *out) { return only_rich(card, out, 3); }

int nvmlDeviceGetEncoderUtilization(void *card, unsigned *out, unsigned *period) {
    *period = 1000;
    return only_rich(card, out, 5);
}

int nvmlDeviceGetDecoderUtilization(void *card, unsigned *out, unsigned *period) {
    *period = 1000;
    return only_rich(card, out, 6);
}

int nvmlDeviceGetTotalEnergyConsumption(void *card, u64 *out) {
    unsigned unused;
    *out = 123456789012ULL;
    return only_rich(card, &unused, 0);
}

int nvmlDeviceGetFieldValues(void *card, int count, Field *fields) {
    for (int i = 0; i < count; i++) {
        fields[i].result = fields[i].field == FIELD_MEMORY_TEMP ? (unsigned)only_rich(card, &fields[i].value.ui, 58) : NOT_SUPPORTED;
    }
    return SUCCESS;
}
