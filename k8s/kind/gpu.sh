#!/bin/sh -eu
# Let the nodes of a kind cluster offer cards that do not exist, to test how pods are scheduled: k8s/kind/gpu.sh [CARDS]
# Pods get no device: asr runs on the CPU unless asr.settings.asr_device is cuda.
for node in $(kubectl get nodes --output name); do
    kubectl patch "$node" --subresource status --type merge \
        --patch "{\"status\": {\"capacity\": {\"nvidia.com/gpu\": \"${1:-2}\"}}}"
done
