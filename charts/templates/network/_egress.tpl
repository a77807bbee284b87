{{/* Parts of the rules in policies.yaml. Not empty if KEDA scales a service. */}}
{{- define "ingest.keda" -}}
{{- range include "ingest.components" . | fromYamlArray }}
{{- if (get $.Values .name).keda.enabled }}{{ .name }}{{ end }}
{{- end }}
{{- end }}
{{/* A peer: the pods of a component, (list root "asr"). */}}
{{- define "ingest.peer" -}}
- podSelector:
    matchLabels:
      {{- include "ingest.selectorLabels" . | nindent 6 }}
{{- end }}
{{/* Egress to an external server, by its url: each of several hosts may have its own port, and its own scheme. */}}
{{- define "ingest.egress.external" -}}
{{- $standard := dict "nats" 4222 "tls" 4222 "ws" 80 "wss" 443 "postgres" 5432 "postgresql" 5432 "http" 80 "https" 443 -}}
{{- $ports := list -}}
{{- range regexReplaceAll "[?].*$" .url "" | splitList "," }}
{{- $host := regexReplaceAll "^([a-z]+://)?([^/]*@)?([^/]*).*$" . "${3}" }}
{{- $ports = append $ports (regexFind ":[0-9]+$" $host | trimPrefix ":" | default (get $standard (regexFind "^[a-z]+" $.url)) | int | dict "port") }}
{{- end -}}
- ports: {{ uniq $ports | toJson }}
  {{- with .peers }}
  to: {{ toJson . }}
  {{- end }}
{{- end }}
{{- define "ingest.egress.nats" -}}
{{- if .Values.nats.enabled }}
- to: {{ include "ingest.peer" (list . "nats") | fromYamlArray | toJson }}
  ports: [{port: 4222}]
{{- else }}
{{ include "ingest.egress.external" (dict "url" .Values.nats.url "peers" .Values.networkPolicy.externalServers) }}
{{- end }}
{{- end }}
{{- define "ingest.egress.postgres" -}}
{{- if .Values.postgres.enabled }}
- to: {{ include "ingest.peer" (list . "postgres") | fromYamlArray | toJson }}
  ports: [{port: 5432}]
{{- else }}
{{ include "ingest.egress.external" (dict "url" .Values.postgres.url "peers" .Values.networkPolicy.externalServers) }}
{{- end }}
{{- end }}
{{- define "ingest.egress.store" -}}
{{- if eq .Values.volume.mode "objectStore" }}
{{ include "ingest.egress.external" (dict "url" (.Values.volume.objectStore.endpoint | default "https://aws") "peers" .Values.networkPolicy.externalServers) }}
{{- end }}
{{- end }}
{{- define "ingest.egress.sites" -}}
- to:
    - ipBlock: {cidr: 0.0.0.0/0, except: {{ .Values.networkPolicy.privateRanges.ipv4 | toJson }}}
    - ipBlock: {cidr: "::/0", except: {{ .Values.networkPolicy.privateRanges.ipv6 | toJson }}}
  ports:
    {{- range .Values.networkPolicy.sitePorts }}
    - {port: {{ . }}}
    {{- end }}
{{- if .Values.demo.enabled }}
- to: {{ include "ingest.peer" (list . "demo") | fromYamlArray | toJson }}
  ports: [{port: 8080}]
{{- end }}
{{- end }}
{{- define "ingest.egress.dns" -}}
{{- range .Values.networkPolicy.dns }}
- {{ toJson . }}
{{- end }}
{{- end }}

{{/* Egress rules for DNS and for the named places: (list root "nats" "sites"). */}}
{{- define "ingest.egress" -}}
{{- $root := first . -}}
{{- range prepend (rest .) "dns" }}
{{- with include (printf "ingest.egress.%s" .) $root | trim }}
{{ . }}
{{- end }}
{{- end }}
{{- end }}
