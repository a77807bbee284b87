{{/* Deployment of a service: (list root "asr"). */}}
{{- define "ingest.worker" -}}
{{- $root := first . -}}{{- $component := last . -}}{{- $values := get $root.Values $component -}}
{{- $scaled := or $values.autoscaling.enabled $values.keda.enabled -}}
{{- if eq $root.Values.mode "deployments" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "ingest.metadata" (list $root $component) | nindent 2 }}
spec:
  {{- if not (or $scaled (kindIs "invalid" $values.replicas)) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: {{ add $values.graceSeconds $values.startSeconds 1800 }} # and half an hour for a node, images and models
  strategy:
    {{- ternary (omit $values.strategy "rollingUpdate") $values.strategy (eq (toString $values.strategy.type) "Recreate") | toYaml | nindent 4 }}
  selector:
    matchLabels:
      {{- include "ingest.selectorLabels" (list $root $component) | nindent 6 }}
  template:
    {{- include (printf "ingest.pod.%s" $component) (list $root "") | nindent 4 }}
{{- end }}
{{- end }}
