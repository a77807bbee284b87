{{/* Host names under which the page is opened, joined by commas: those of the Service, of the Ingress and of the HTTPRoute, and
     yours. The server refuses others. */}}
{{- define "ingest.archive.names" -}}
{{- $name := printf "%s-archive" (include "ingest.fullname" .) -}}
{{- $names := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) -}}
{{- $names = append $names (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- if .Values.archive.ingress.enabled }}{{ $names = append $names .Values.archive.ingress.host }}{{ end -}}
{{- if .Values.archive.httpRoute.enabled }}{{ $names = concat $names .Values.archive.httpRoute.hostnames }}{{ end -}}
{{- with .Values.archive.settings.archive_names }}{{ $names = append $names . }}{{ end -}}
{{ join "," (uniq $names) }}
{{- end }}

{{/* Not empty if it reaches NATS: to ask for changes, or to read files there. */}}
{{- define "ingest.archive.nats" -}}
{{- if or .Values.archive.auth.editTokenSecret (eq .Values.volume.mode "jetstream") }}yes{{ end -}}
{{- end }}

{{/* Volumes or mounts with the authorities of its servers: (list root "ingest.caVolumes"). */}}
{{- define "ingest.archive.authorities" -}}
{{- $root := first . -}}
{{- if include "ingest.archive.nats" $root }}
{{- include (last .) $root }}
{{- else }}
{{- $nats := dict "enabled" false "tls" (dict "secretName" "") "caSecret" "" "credsSecret" "" "nkeySecret" "" "clientCertSecret" "" -}}
{{- include (last .) (dict "Values" (dict "nats" $nats "postgres" $root.Values.postgres "caBundle" $root.Values.caBundle)) }}
{{- end }}
{{- end }}

{{/* Settings of the read side: the text model and the place of the archive are those of the embedder. */}}
{{- define "ingest.archive.settings" -}}
{{- $own := dict "archive_host" "0.0.0.0" "archive_port" 8080 "metrics_port" 9090 "log_format" "json" "archive_requests_per_minute" 1200 -}}
{{- $proxy := dict -}}
{{- with .Values.archive.auth.proxy -}}
{{- with .addresses }}{{ $_ := set $proxy "archive_proxies" (join "," .) }}{{ end -}}
{{- with .header }}{{ $_ := set $proxy "archive_proxy_header" . }}{{ end -}}
{{- with .editors }}{{ $_ := set $proxy "archive_editors" (join "," .) }}{{ end -}}
{{- end -}}
{{- $model := pick .Values.embedder.settings "embedding_model" "embedding_revision" "database_schema" "database_timeout_s" -}}
{{- $names := dict "archive_names" (include "ingest.archive.names" .) -}}
{{- $broker := include "ingest.volumeSettings" . | fromYaml -}}
{{- if include "ingest.archive.nats" . }}{{ $broker = merge (dict "nats_user" "archive") (include "ingest.commonSettings" . | fromYaml) }}{{ end -}}
{{- include "ingest.settings" (list . $own $proxy $broker $model .Values.settings .Values.archive.settings $names) }}
{{- end }}
