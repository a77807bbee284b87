#!/bin/sh -eu
# Let the nodes of a kind cluster offer cards that are not there, to see how pods are spread: k8s/kind/gpu.sh [CARDS]
# Pods get no device: asr runs on the CPU all the same where asr.settings.asr_device is not cuda.
for node in $(kubectl get nodes --output name); do
    kubectl patch "$node" --subresource status --type merge \
        --patch "{\"status\": {\"capacity\": {\"nvidia.com/gpu\": \"${1:-2}\"}}}"
done
