{{- define "ingest.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "ingest.fullname" -}}
{{- $name := include "ingest.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels of a component: (list root "asr"). Selectors use only those that never change. */}}
{{- define "ingest.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ingest.name" (first .) }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- define "ingest.labels" -}}
{{ include "ingest.selectorLabels" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ingest
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (first .).Chart.Name ((first .).Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "ingest.metadata" -}}
name: {{ include "ingest.fullname" (first .) }}-{{ last . }}
namespace: {{ (first .).Release.Namespace }}
labels:
  {{- include "ingest.labels" . | nindent 2 }}
{{- end }}

{{/* Image of a component: (list root "asr"). A digest takes precedence over a tag; the registry of the image over image.registry,
     that over the global one, the default is localhost (`make images`). With a GPU, the default image of asr is the CUDA one. */}}
{{- define "ingest.image" -}}
{{- $root := first . -}}{{- $image := (get $root.Values (last .)).image -}}
{{- $registry := $image.registry | default $root.Values.image.registry | default ($root.Values.global).imageRegistry | default "localhost" -}}
{{- $variant := ternary "-cuda" "" (and (eq (last .) "asr") (gt (int $root.Values.asr.gpu.count) 0)) -}}
{{ trimSuffix "/" $registry }}/{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (printf "%s%s" ($root.Values.image.tag | default $root.Chart.AppVersion) $variant) }}{{ end }}
{{- end }}

{{- define "ingest.secretName" -}}
{{ .Values.auth.existingSecret | default (printf "%s-passwords" (include "ingest.fullname" .)) }}
{{- end }}

{{- define "ingest.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (ternary (include "ingest.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "ingest.claimName" -}}
{{ .Values.volume.existingClaim | default (printf "%s-data" (include "ingest.fullname" .)) }}
{{- end }}

{{- define "ingest.dataVolume" -}}
- name: data
  {{- if eq .Values.volume.mode "shared" }}
  persistentVolumeClaim: {claimName: {{ include "ingest.claimName" . }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ (get .Values.volume .Values.volume.mode).scratchSize }}}
  {{- end }}
{{- end }}

{{/* Where the volume is, as settings of every pod that uses it. /data then holds temporary files and local copies. */}}
{{- define "ingest.volumeSettings" -}}
volume_path: /data
{{- if eq .Values.volume.mode "objectStore" }}
{{- with .Values.volume.objectStore }}
volume_url: {{ .url | quote }}
{{- with .endpoint }}
volume_endpoint: {{ . | quote }}
{{- end }}
{{- with .region }}
volume_region: {{ . | quote }}
{{- end }}
{{- end }}
{{- else if eq .Values.volume.mode "jetstream" }}
volume_url: nats://ingest_files
volume_bytes: {{ include "ingest.value" .Values.volume.jetstream.bytes }}
disk_budget_bytes: {{ include "ingest.value" .Values.volume.jetstream.bytes }}
{{- end }}
{{- end }}

{{/* By which servers outside are trusted, and the object store is reached, as environment variables. */}}
{{- define "ingest.outsideEnv" -}}
{{- include "ingest.bundleEnv" . }}
{{- if eq .Values.volume.mode "objectStore" }}
{{- with .Values.volume.objectStore.existingSecret }}
- {name: INGEST_VOLUME_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: access-key}}}
- {name: INGEST_VOLUME_SECRET_KEY, valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: secret-key}}}
{{- end }}
{{- end }}
{{- end }}

{{/* Size of the claim of NATS and the limit of its server: with files in it, those of the volume. */}}
{{- define "ingest.nats.storage" -}}
{{- $files := eq .Values.volume.mode "jetstream" -}}
{{ pick (ternary .Values.volume.jetstream.storage .Values.nats.storage $files) "size" "maxBytes" | toYaml }}
{{- end }}

{{- define "ingest.natsUrl" -}}
{{- if .Values.nats.enabled -}}
{{ ternary "tls" "nats" (ne .Values.nats.tls.secretName "") }}://{{ include "ingest.fullname" . }}-nats:4222
{{- else -}}
{{ .Values.nats.url }}
{{- end -}}
{{- end }}

{{/* Address of the database for a role: (list root "ingest_reader"). */}}
{{- define "ingest.databaseUrl" -}}
{{- $root := first . -}}
{{- if $root.Values.postgres.enabled -}}
postgresql://{{ last . }}@{{ include "ingest.fullname" $root }}-postgres:5432/ingest
{{- else -}}
{{ $root.Values.postgres.url | replace "USER" (last .) }}
{{- end -}}
{{- end }}

{{/* The value of a setting for the environment; a whole number is written without exponent or fraction. */}}
{{- define "ingest.value" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{ printf "%.0f" . | quote }}
{{- else -}}
{{ . | toString | quote }}
{{- end -}}
{{- end }}

{{/* Settings as environment variables: (list root map...); a later map overrides an earlier one. */}}
{{- define "ingest.settings" -}}
{{- $merged := dict -}}
{{- range rest . }}{{ $merged = mergeOverwrite $merged (deepCopy (. | default dict)) }}{{ end -}}
{{- range $name, $value := $merged }}
{{- if not (kindIs "invalid" $value) }}
- name: INGEST_{{ $name | upper }}
  value: {{ include "ingest.value" $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of every process of ingest. Passwords are files, not settings. */}}
{{- define "ingest.commonSettings" -}}
nats_url: {{ include "ingest.natsUrl" . }}
{{ include "ingest.volumeSettings" . }}
log_format: json
{{- if or .Values.nats.caSecret (and .Values.nats.enabled .Values.nats.tls.secretName) }}
nats_ca_file: /etc/ingest/nats-ca/ca.crt
{{- end }}
{{- if .Values.nats.credsSecret }}
nats_creds_file: /etc/ingest/nats-creds/nats.creds
{{- end }}
{{- if .Values.nats.nkeySecret }}
nats_nkey_file: /etc/ingest/nats-nkey/nats.nk
{{- end }}
{{- if .Values.nats.clientCertSecret }}
nats_cert_file: /etc/ingest/nats-client/tls.crt
nats_key_file: /etc/ingest/nats-client/tls.key
{{- end }}
{{- end }}

{{- define "ingest.podSecurity" -}}
{{ include "ingest.podSecurityAs" (list . .Values.podSecurity.user) }}
{{- end }}

{{/* Without a user of ours, the cluster gives one to all pods, those of the servers as well: (list root 999). */}}
{{- define "ingest.podSecurityAs" -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" (first .).Values.podSecurity.user) }}
runAsUser: {{ last . }}
runAsGroup: {{ last . }}
fsGroup: {{ last . }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "ingest.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A volume with the passwords of one NATS user and one database role: (list root natsUser role volumeName). */}}
{{- define "ingest.passwords" -}}
{{- $root := index . 0 -}}
- name: {{ index . 3 }}
  secret:
    secretName: {{ include "ingest.secretName" $root }}
    defaultMode: 0440
    items:
      - {key: nats-{{ index . 1 }}, path: ingest_nats_password}
      {{- with index . 2 }}
      - {key: postgres-{{ . }}, path: ingest_database_password}
      {{- end }}
{{- end }}

{{/* Secrets that log in to an existing NATS server, by the names of their volumes: the Secret and its keys. */}}
{{- define "ingest.natsLogins" -}}
{{- with .Values.nats.credsSecret }}
nats-creds: {secret: {{ . }}, keys: [nats.creds]}
{{- end }}
{{- with .Values.nats.nkeySecret }}
nats-nkey: {secret: {{ . }}, keys: [nats.nk]}
{{- end }}
{{- with .Values.nats.clientCertSecret }}
nats-client: {secret: {{ . }}, keys: [tls.crt, tls.key]}
{{- end }}
{{- end }}

{{/* The authorities that all pods of ingest trust, for its own programs and for libraries: environment, volume, mount. */}}
{{- define "ingest.bundleEnv" -}}
{{- if (.Values.caBundle).configMap }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" }}
- {name: {{ . }}, value: /etc/ingest/ca-bundle/ca-bundle.crt}
{{- end }}
{{- end }}
{{- end }}

{{- define "ingest.bundleVolumes" -}}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: ca-bundle
  configMap: {name: {{ .configMap | quote }}, items: [{key: {{ .key | quote }}, path: ca-bundle.crt}]}
{{- end }}
{{- end }}
{{- end }}

{{- define "ingest.bundleMounts" -}}
{{- if (.Values.caBundle).configMap }}
- {name: ca-bundle, mountPath: /etc/ingest/ca-bundle, readOnly: true}
{{- end }}
{{- end }}

{{/* Volumes with the certificate authorities of the servers, and with the logins of an existing NATS server. */}}
{{- define "ingest.caVolumes" -}}
{{- include "ingest.bundleVolumes" . }}
{{- range $name, $login := include "ingest.natsLogins" . | fromYaml }}
- name: {{ $name }}
  secret:
    secretName: {{ $login.secret }}
    defaultMode: 0440
    items:
      {{- range $login.keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- if or .Values.nats.caSecret (and .Values.nats.enabled .Values.nats.tls.secretName) }}
- name: nats-ca
  secret:
    secretName: {{ .Values.nats.caSecret | default .Values.nats.tls.secretName }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- with .Values.postgres.caSecret }}
- name: postgres-ca
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{- define "ingest.caMounts" -}}
{{- include "ingest.bundleMounts" . }}
{{- range $name, $_ := include "ingest.natsLogins" . | fromYaml }}
- {name: {{ $name }}, mountPath: /etc/ingest/{{ $name }}, readOnly: true}
{{- end }}
{{- if or .Values.nats.caSecret (and .Values.nats.enabled .Values.nats.tls.secretName) }}
- {name: nats-ca, mountPath: /etc/ingest/nats-ca, readOnly: true}
{{- end }}
{{- if .Values.postgres.caSecret }}
- {name: postgres-ca, mountPath: /etc/ingest/postgres-ca, readOnly: true}
{{- end }}
{{- end }}

{{/* The part of a pod's specification that all pods have: (list root values). */}}
{{- define "ingest.scheduling" -}}
{{- $root := first . -}}{{- $values := last . -}}
serviceAccountName: {{ include "ingest.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "runtimeClassName" "schedulerName" }}
{{- with get $values $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of permitted sources, for the downloader and for commands that read listings. */}}
{{- define "ingest.sourceSettings" -}}
file_roots: {{ ternary "/data/inbox" "/opt/samples" (eq .Values.volume.mode "shared") }}
{{- $hosts := .Values.downloader.allowedHosts }}
{{- if .Values.demo.enabled }}{{ $hosts = append $hosts (printf "%s-demo" (include "ingest.fullname" .)) }}{{ end }}
{{- with $hosts }}
allowed_hosts: {{ join "," . | quote }}
{{- end }}
{{- if .Values.downloader.exits.existingSecret }}
site_proxies: /etc/ingest/exits/exits
{{- end }}
{{- if .Values.downloader.potProvider.enabled }}
youtube_pot_provider: http://{{ include "ingest.fullname" . }}-pot-provider:4416
{{- end }}
{{- end }}

{{/* The Secret with the exits to YouTube: volumes and mounts, for the downloader and for commands that read listings. */}}
{{- define "ingest.exitVolumes" -}}
{{- with .Values.downloader.exits.existingSecret }}
- name: exits
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "ingest.exitMounts" -}}
{{- if .Values.downloader.exits.existingSecret }}
- {name: exits, mountPath: /etc/ingest/exits, readOnly: true}
{{- end }}
{{- end }}
