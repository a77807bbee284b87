{{/* The models of the hub are fetched once, by a Job, into a volume that asr and embedder pods read without network. */}}

{{/* Names on the hub in settings of a service: (list root "asr" "asr_model" ...). A folder is there, and so is what an image brings. */}}
{{- define "ingest.models.named" -}}
{{- $root := index . 0 -}}{{- $names := list -}}
{{- $settings := mergeOverwrite (deepCopy $root.Values.settings) (deepCopy (get $root.Values (index . 1)).settings) -}}
{{- range slice . 2 }}
{{- with get $settings . }}{{ if not (or (hasPrefix "/" .) (has . (list "same" "all-MiniLM-L6-v2"))) }}{{ $names = append $names . }}{{ end }}{{ end }}
{{- end -}}
{{ $names | join " " }}
{{- end }}

{{- define "ingest.models.ofAsr" }}{{ include "ingest.models.named" (list . "asr" "asr_model" "asr_refine_model") }}{{ end }}
{{- define "ingest.models.ofEmbedder" }}{{ include "ingest.models.named" (list . "embedder" "embedding_model") }}{{ end }}
{{- define "ingest.models.ofVoices" }}{{ include "ingest.models.named" (list . "voices" "diarization_model") }}{{ end }}

{{/* All that the Job has to fetch; nothing where there is nothing to do for it. */}}
{{- define "ingest.models.names" -}}
{{- if .Values.models.download -}}
{{ list (include "ingest.models.ofAsr" .) (include "ingest.models.ofEmbedder" .) (include "ingest.models.ofVoices" .) | compact | join " " }}
{{- end -}}
{{- end }}

{{/* Name of the volume with the models: the shared volume if that is a hostPath or an existing claim, since the default class
     may not offer ReadWriteMany. */}}
{{- define "ingest.models.volumeName" -}}
{{- if .Values.models.existingClaim -}}
models
{{- else if include "ingest.models.names" . -}}
{{ if and (or .Values.volume.hostPath .Values.volume.existingClaim) (not .Values.models.storageClass) }}data{{ else }}models{{ end }}
{{- end -}}
{{- end }}

{{- define "ingest.models.folder" -}}
{{ ternary "/data/models" "/models" (eq (include "ingest.models.volumeName" .) "data") }}
{{- end }}

{{- define "ingest.models.marker" -}}
{{ include "ingest.models.folder" . }}/.complete-{{ include "ingest.models.names" . | sha256sum | trunc 12 }}
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

{{- define "ingest.models.wait" -}}
{{- $root := first . -}}{{- $volume := include "ingest.models.volumeName" $root -}}
{{- if include "ingest.models.names" $root }}
- name: wait-for-models
  image: {{ include "ingest.image" . }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: [tini, --, sh, -c, 'until [ -e {{ include "ingest.models.marker" $root }} ]; do echo "waiting for the Job {{ include "ingest.fullname" $root }}-models"; sleep 5; done']
  securityContext:
    {{- include "ingest.containerSecurity" $root | nindent 4 }}
  resources:
    {{- toYaml $root.Values.jobs.resources | nindent 4 }}
  volumeMounts:
    - {name: {{ $volume }}, mountPath: /{{ $volume }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "ingest.models.fetch" -}}
{{- $root := .root -}}{{- $volume := include "ingest.models.volumeName" $root -}}
name: {{ .name }}
image: {{ include "ingest.image" (list $root .image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: {{ concat (list "tini" "--") .command | toJson }}
env:
  - {name: HF_HOME, value: {{ include "ingest.models.folder" $root }}}
  {{- with .env }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with $root.Values.models.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
securityContext:
  {{- include "ingest.containerSecurity" $root | nindent 2 }}
resources:
  {{- toYaml $root.Values.jobs.resources | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: {{ $volume }}, mountPath: /{{ $volume }}}
  - {name: tmp, mountPath: /tmp}
  {{- if .secret }}
  - {name: token, mountPath: /etc/ingest/token, readOnly: true}
  {{- end }}
{{- end }}

{{/* What the Job runs; another one makes another Job, since a Job cannot be changed. */}}
{{- define "ingest.models.pod" -}}
{{- $asr := "import sys, faster_whisper; [faster_whisper.download_model(name) for name in sys.argv[1:]]" }}
{{- $embedder := "import sys, sentence_transformers; sentence_transformers.SentenceTransformer(sys.argv[1])" }}
{{- $voices := "from ingest.asr import settings; from ingest.asr.speakers import build; from ingest.shared.settings import load; build.load(load(settings.AsrSettings), 'cpu')" }}
{{- $secret := .Values.voices.tokenSecret }}
{{- include "ingest.scheduling" (list . .Values.jobs) }}
restartPolicy: OnFailure
securityContext:
  {{- include "ingest.podSecurity" . | nindent 2 }}
initContainers:
  {{- with include "ingest.models.ofAsr" . }}
  - {{- include "ingest.models.fetch" (dict "root" $ "name" "asr" "image" "asr"
      "command" (concat (list "python" "-c" $asr) (splitList " " .))) | nindent 4 }}
  {{- end }}
  {{- with include "ingest.models.ofEmbedder" . }}
  - {{- include "ingest.models.fetch" (dict "root" $ "name" "embedder" "image" "embedder" "command" (list "python" "-c" $embedder .)) | nindent 4 }}
  {{- end }}
  {{- if include "ingest.models.ofVoices" . }}{{/* loaded, because it may name others to fetch */}}
  - {{- include "ingest.models.fetch" (dict "root" . "name" "voices" "image" "asr" "command" (list "python" "-c" $voices)
      "env" (include "ingest.models.voicesEnv" .) "secret" $secret) | nindent 4 }}
  {{- end }}
containers:
  - {{- include "ingest.models.fetch" (dict "root" . "name" "complete" "image" "embedder" "command" (list "touch" (include "ingest.models.marker" .))) | nindent 4 }}
volumes:
  {{- include "ingest.models.volumes" . | trim | default (include "ingest.dataVolume" .) | nindent 2 }}
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
  {{- if and $secret (include "ingest.models.ofVoices" .) }}
  - name: token
    secret:
      secretName: {{ $secret }}
      defaultMode: 0440
      items: [{key: token, path: ingest_diarization_token}]
  {{- end }}
{{- end }}

{{- define "ingest.models.voicesEnv" -}}
{{- include "ingest.settings" (list . (pick .Values.voices.settings "diarization_model" "diarization_sha256")) }}
{{- if .Values.voices.tokenSecret }}
- {name: INGEST_SECRETS_DIR, value: /etc/ingest/token}
{{- end }}
{{- end }}
