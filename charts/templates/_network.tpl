{{/* Whom pods may reach: parts of the rules in networkpolicy.yaml. */}}
{{- define "ingest.peer" -}}
- podSelector:
    matchLabels:
      {{- include "ingest.selectorLabels" . | nindent 6 }}
{{- end }}
{{- define "ingest.toNats" -}}
{{- if .Values.nats.enabled }}
- to: {{ include "ingest.peer" (list . "nats") | fromYamlArray | toJson }}
  ports: [{port: 4222}]
{{- else }}
- ports: [{port: {{ .Values.networkPolicy.externalPorts.nats }}}]
{{- end }}
{{- end }}
{{- define "ingest.toPostgres" -}}
{{- if .Values.postgres.enabled }}
- to: {{ include "ingest.peer" (list . "postgres") | fromYamlArray | toJson }}
  ports: [{port: 5432}]
{{- else }}
- ports: [{port: {{ .Values.networkPolicy.externalPorts.postgres }}}]
{{- end }}
{{- end }}
{{- define "ingest.toSites" -}}
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
{{- define "ingest.toDns" -}}
- to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}
