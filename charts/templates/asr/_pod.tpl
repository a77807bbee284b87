{{- define "ingest.pod.asr" -}}
{{- $root := first . -}}
{{- $node := dict "name" "INGEST_NODE_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "spec.nodeName")) }}
{{- $scratch := dict "name" "scratch" "emptyDir" (dict "sizeLimit" $root.Values.asr.scratchSize) }}
{{- include "ingest.workerPod" (dict "root" $root "component" "asr" "run" (last .)
    "settings" (merge (dict "scratch_path" "/scratch") $root.Values.voices.settings)
    "env" (prepend (include "ingest.models.env" $root | fromYamlArray) $node)
    "init" (include "ingest.models.wait" (list $root "asr") | fromYamlArray)
    "mounts" (prepend (include "ingest.models.mounts" $root | fromYamlArray) (dict "name" "scratch" "mountPath" "/scratch"))
    "volumes" (prepend (include "ingest.models.volumes" $root | fromYamlArray) $scratch)) }}
{{- end }}
