{{/* Name of the run of `mode: jobs`: another one whenever sources, pods or options change, since Jobs are immutable. */}}
{{- define "ingest.run" -}}
{{- $made := list .Values.submit.sources .Values.submit.options (include "ingest.backfill" (list . "__RUN__")) | toJson | sha256sum | trunc 8 -}}
{{ with .Values.backfill.run }}{{ . }}-{{ end }}{{ $made }}
{{- end }}

{{/* Beginning of the names of a run's objects: with run, service and index, a name has at most 63 characters. */}}
{{- define "ingest.backfill.name" -}}
{{ include "ingest.fullname" (first .) | trunc 26 | trimSuffix "-" }}-{{ last . }}
{{- end }}

{{/* Labels of what belongs to a run: (list root component run). */}}
{{- define "ingest.backfill.labels" -}}
{{ include "ingest.labels" (list (first .) (index . 1)) }}
ingest/run: {{ last . | quote }}
{{- end }}

{{/* Labels by which Kueue admits a Job or a JobSet. */}}
{{- define "ingest.backfill.queue" -}}
{{- with .Values.backfill.queue }}
kueue.x-k8s.io/queue-name: {{ . | quote }}
{{- end }}
{{- with .Values.backfill.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether a run is created suspended: by choice, or until Kueue admits it. */}}
{{- define "ingest.backfill.suspended" -}}
{{ or .Values.backfill.suspend (ne .Values.backfill.queue "") }}
{{- end }}

{{/* Specification of a service's Job: (list root component run). A pod has the name of its index, by which the crash journal knows its
     successor. Statuses: 75 a passing reason, 143 ended by a signal, 3 the run is settled and recordings have failed. */}}
{{- define "ingest.backfill.jobSpec" -}}
{{- $root := first . -}}{{- $component := index . 1 -}}{{- $pods := get $root.Values.backfill.parallelism $component -}}
completionMode: Indexed
completions: {{ $pods }}
parallelism: {{ $pods }}
backoffLimit: {{ $root.Values.backfill.backoffLimit }}
podReplacementPolicy: Failed # when the old pod has released its card
podFailurePolicy:
  rules:
    - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
    - {action: Ignore, onExitCodes: {containerName: {{ $component }}, operator: In, values: [75, 143]}}
    {{- if eq $component "embedder" }}
    - {action: FailJob, onExitCodes: {containerName: embedder, operator: In, values: [3]}}
    {{- end }}
template:
  {{- include (printf "ingest.pod.%s" $component) (list $root (last .)) | nindent 2 }}
{{- end }}

{{/* The objects of a run: (list root run). */}}
{{- define "ingest.backfill" -}}
{{- if (first .).Values.backfill.jobSet.enabled }}
{{- include "ingest.backfill.jobSet" . }}
{{- else }}
{{- include "ingest.backfill.jobs" . }}
{{- end }}
{{- end }}

{{- define "ingest.backfill.jobs" -}}
{{- $root := first . -}}{{- $run := last . -}}
{{- range $component := include "ingest.componentNames" $root | fromYamlArray }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "ingest.backfill.name" (list $root $run) }}-{{ $component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "ingest.backfill.labels" (list $root $component $run) | nindent 4 }}
    {{- with include "ingest.backfill.queue" $root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  suspend: {{ include "ingest.backfill.suspended" $root }}
  {{- with $root.Values.backfill.ttlSecondsAfterFinished }}
  ttlSecondsAfterFinished: {{ . | int64 }}
  {{- end }}
  {{- with $root.Values.backfill.activeDeadlineSeconds }}
  activeDeadlineSeconds: {{ . | int64 }}
  {{- end }}
  {{- include "ingest.backfill.jobSpec" (list $root $component $run) | nindent 2 }}
{{- end }}
{{- end }}

{{/* The three Jobs as one object: started in order, done when asr and embedder are done. Failed recordings are no reason to start again. */}}
{{- define "ingest.backfill.jobSet" -}}
{{- $root := first . -}}{{- $run := last . -}}
---
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: {{ include "ingest.backfill.name" (list $root $run) }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "ingest.backfill.labels" (list $root "backfill" $run) | nindent 4 }}
    {{- with include "ingest.backfill.queue" $root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  suspend: {{ include "ingest.backfill.suspended" $root }}
  {{- with $root.Values.backfill.ttlSecondsAfterFinished }}
  ttlSecondsAfterFinished: {{ . | int64 }}
  {{- end }}
  startupPolicy: {startupPolicyOrder: InOrder}
  successPolicy: {operator: All, targetReplicatedJobs: [asr, embedder]}
  failurePolicy:
    maxRestarts: {{ $root.Values.backfill.jobSet.maxRestarts }}
    rules:
      - name: recordingsFailed
        action: FailJobSet
        onJobFailureReasons: [PodFailurePolicy]
        targetReplicatedJobs: [embedder]
  replicatedJobs:
    {{- range $component := include "ingest.componentNames" $root | fromYamlArray }}
    - name: {{ $component }}
      replicas: 1
      template:
        metadata:
          labels:
            {{- include "ingest.backfill.labels" (list $root $component $run) | nindent 12 }}
        spec:
          {{- with $root.Values.backfill.activeDeadlineSeconds }}
          activeDeadlineSeconds: {{ . | int64 }}
          {{- end }}
          {{- include "ingest.backfill.jobSpec" (list $root $component $run) | nindent 10 }}
    {{- end }}
{{- end }}
