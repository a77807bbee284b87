{{/* The services as a list of dicts, from files/components.yaml: `range include "ingest.components" . | fromYamlArray`. */}}
{{- define "ingest.components" -}}
{{ .Files.Get "files/components.yaml" }}
{{- end }}

{{/* One of the services as a dict: (list root "asr"). */}}
{{- define "ingest.component" -}}
{{- range include "ingest.components" (first .) | fromYamlArray }}{{ if eq .name (last $) }}{{ toYaml . }}{{ end }}{{ end -}}
{{- end }}

{{/* Their names, as a list. */}}
{{- define "ingest.componentNames" -}}
{{- range include "ingest.components" . | fromYamlArray }}
- {{ .name }}
{{- end }}
{{- end }}

{{/* Users of NATS, as a list: one for each service, one for the page, one for the commands, one that owns the streams. */}}
{{- define "ingest.natsUsers" -}}
{{ concat (include "ingest.componentNames" . | fromYamlArray) (list "archive" "submit" "admin") | toYaml }}
{{- end }}

{{/* Keys of the Secret with the passwords, as a list: those of NATS, then those of Postgres. */}}
{{- define "ingest.passwordKeys" -}}
{{- $keys := list -}}
{{- range include "ingest.natsUsers" . | fromYamlArray }}{{ $keys = append $keys (printf "nats-%s" .) }}{{ end -}}
{{- $keys = append $keys "postgres-owner" -}}
{{- range include "ingest.components" . | fromYamlArray }}{{ with .role }}{{ $keys = append $keys (printf "postgres-%s" .) }}{{ end }}{{ end -}}
{{ append $keys "postgres-reader" | toYaml }}
{{- end }}
