{{/* A Job fetches the models from the hub once, with `ingest models fetch`, into a volume that the pods of asr and embedder
     read without network. */}}

{{/* The settings of models, of all services, as a dict. */}}
{{- define "ingest.models.settings" -}}
{{- $merged := dict -}}
{{- range list .Values.settings .Values.asr.settings .Values.embedder.settings .Values.voices.settings }}
{{- $merged = mergeOverwrite $merged (deepCopy .) }}
{{- end -}}
{{- pick $merged "asr_model" "asr_revision" "asr_refine_model" "embedding_model" "embedding_revision" "diarization_model" "diarization_revision" "diarization_sha256" | toYaml }}
{{- end }}

{{/* Roles of the models that a service loads from the hub, as a list: (list root "asr"). Models in folders, and those in an
     image, are not fetched. */}}
{{- define "ingest.models.roles" -}}
{{- $root := first . -}}
{{- $settings := include "ingest.models.settings" $root | fromYaml -}}
{{- range $role, $setting := (include "ingest.component" . | fromYaml).models }}
{{- $name := get $settings $setting | default "" }}
{{- if and $root.Values.models.download $name (not (hasPrefix "/" $name)) (not (has $name (list "same" "all-MiniLM-L6-v2"))) }}
- {{ $role }}
{{- end }}
{{- end }}
{{- end }}

{{/* Roles of all models that the Job fetches, as a list; empty without a Job. */}}
{{- define "ingest.models.fetched" -}}
{{- range include "ingest.componentNames" . | fromYamlArray }}{{ include "ingest.models.roles" (list $ .) }}{{ end -}}
{{- end }}

{{/* Name of the volume with the models: the shared volume if that is a hostPath or an existing claim, since the default class
     may not offer ReadWriteMany. */}}
{{- define "ingest.models.volumeName" -}}
{{- if .Values.models.existingClaim -}}
models
{{- else if include "ingest.models.fetched" . -}}
{{ if and (or .Values.volume.hostPath .Values.volume.existingClaim) (not .Values.models.storageClass) }}data{{ else }}models{{ end }}
{{- end -}}
{{- end }}

{{- define "ingest.models.folder" -}}
{{ ternary "/data/models" "/models" (eq (include "ingest.models.volumeName" .) "data") }}
{{- end }}

{{/* Environment of the pods that load models; network policies do not let them reach the hub. */}}
{{- define "ingest.models.env" -}}
- {name: HF_HUB_OFFLINE, value: "1"}
- {name: HF_HOME, value: {{ include "ingest.models.folder" . }}}
{{- end }}

{{- define "ingest.models.mounts" -}}
{{- if eq (include "ingest.models.volumeName" .) "models" }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- end }}

{{- define "ingest.models.volumes" -}}
{{- if eq (include "ingest.models.volumeName" .) "models" }}
- name: models
  persistentVolumeClaim: {claimName: {{ .Values.models.existingClaim | default (printf "%s-models" (include "ingest.fullname" .)) }}}
{{- end }}
{{- end }}

{{/* A command of `ingest models` for some roles, as a list: (list roles "fetch"). */}}
{{- define "ingest.models.command" -}}
{{- $command := concat (list "tini" "--" "ingest" "models") (rest .) -}}
{{- range first . }}{{ $command = concat $command (list "--only" .) }}{{ end -}}
{{ toJson $command }}
{{- end }}

{{/* Init container that waits for the models of a service: (list root "asr"). */}}
{{- define "ingest.models.wait" -}}
{{- $root := first . -}}{{- $volume := include "ingest.models.volumeName" $root -}}
{{- with include "ingest.models.roles" . | fromYamlArray }}
- name: wait-for-models
  image: {{ include "ingest.image" $ }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: {{ include "ingest.models.command" (list . "verify" "--wait" "600") }}
  securityContext:
    {{- include "ingest.containerSecurity" $root | nindent 4 }}
  env:
    {{- include "ingest.models.env" $root | nindent 4 }}
    {{- include "ingest.settings" (list $root (include "ingest.models.settings" $root | fromYaml)) | nindent 4 }}
  resources:
    {{- toYaml $root.Values.jobs.resources | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - {name: {{ $volume }}, mountPath: /{{ $volume }}, readOnly: true}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end }}

{{/* Pod of the Job. A Job is immutable: another pod needs another name. */}}
{{- define "ingest.models.pod" -}}
{{- $volume := include "ingest.models.volumeName" . }}
{{- $roles := include "ingest.models.fetched" . | fromYamlArray }}
{{- $secret := ternary .Values.voices.tokenSecret "" (has "diarization" $roles) }}
{{- include "ingest.scheduling" (list . .Values.jobs) }}
restartPolicy: OnFailure
securityContext:
  {{- include "ingest.podSecurity" . | nindent 2 }}
containers:
  - name: fetch
    image: {{ include "ingest.image" (list . "asr") }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: {{ include "ingest.models.command" (list $roles "fetch" "--json") }} # prints the whole fingerprint of each model
    securityContext:
      {{- include "ingest.containerSecurity" . | nindent 6 }}
    env:
      - {name: HF_HOME, value: {{ include "ingest.models.folder" . }}}
      {{- include "ingest.settings" (list . (include "ingest.models.settings" . | fromYaml)) | nindent 6 }}
      {{- if $secret }}
      - {name: INGEST_SECRETS_DIR, value: /etc/ingest/token}
      {{- end }}
      {{- with include "ingest.bundleEnv" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .Values.models.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    resources:
      {{- toYaml .Values.jobs.resources | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      - {name: {{ $volume }}, mountPath: /{{ $volume }}}
      - {name: tmp, mountPath: /tmp}
      {{- with include "ingest.bundleMounts" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if $secret }}
      - {name: token, mountPath: /etc/ingest/token, readOnly: true}
      {{- end }}
volumes:
  {{- include "ingest.models.volumes" . | trim | default (include "ingest.dataVolume" .) | nindent 2 }}
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
  {{- with include "ingest.bundleVolumes" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if $secret }}
  - name: token
    secret:
      secretName: {{ $secret }}
      defaultMode: 0440
      items: [{key: token, path: ingest_diarization_token}]
  {{- end }}
{{- end }}
