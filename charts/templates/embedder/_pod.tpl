{{- define "ingest.pod.embedder" -}}
{{- $root := first . -}}
{{- $migrate := list }}{{ $owner := list }}
{{- if eq $root.Values.migrations.by "init" }}
{{- $migrate = include "ingest.migrate" (list $root "embedder") | fromYamlArray }}
{{- $owner = include "ingest.passwords" (list $root "admin" "owner" "owner") | fromYamlArray }}
{{- end }}
{{- include "ingest.workerPod" (dict "root" $root "component" "embedder" "run" (last .)
    "settings" $root.Values.voices.settings
    "env" (include "ingest.models.env" $root | fromYamlArray)
    "init" (include "ingest.models.wait" (list $root "embedder") | fromYamlArray | concat $migrate)
    "mounts" (include "ingest.models.mounts" $root | fromYamlArray)
    "volumes" (include "ingest.models.volumes" $root | fromYamlArray | concat $owner)) }}
{{- end }}
