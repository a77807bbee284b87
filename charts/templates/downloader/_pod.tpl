{{- define "ingest.pod.downloader" -}}
{{- $root := first . -}}
{{- include "ingest.workerPod" (dict "root" $root "component" "downloader" "run" (last .)
    "settings" (include "ingest.sourceSettings" $root | fromYaml)
    "volumes" (include "ingest.exitVolumes" $root | fromYamlArray)
    "mounts" (include "ingest.exitMounts" $root | fromYamlArray)) }}
{{- end }}
