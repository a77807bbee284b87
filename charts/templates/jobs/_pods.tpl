{{/* Container that migrates schema and streams as their owner: (list root component), with the image of the component, and
     the options of `ingest migrate` as a third item, where they are others. */}}
{{- define "ingest.migrate" -}}
{{- $root := first . -}}
- name: migrate
  image: {{ include "ingest.image" (list $root (index . 1)) }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: {{ concat (list "tini" "--" "ingest" "migrate" "--wait" "600") (ternary (last .) list (gt (len .) 2)) | toJson }}
  securityContext:
    {{- include "ingest.containerSecurity" $root | nindent 4 }}
  env:
    - {name: INGEST_SECRETS_DIR, value: /etc/ingest/owner}
    - {name: INGEST_DATABASE_URL, value: {{ include "ingest.databaseUrl" (list $root "ingest_owner") | quote }}}
    - {name: INGEST_NATS_USER, value: admin}
    {{- include "ingest.settings" (list $root (include "ingest.commonSettings" $root | fromYaml) $root.Values.settings) | nindent 4 }}
  resources:
    {{- toYaml $root.Values.jobs.resources | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: owner, mountPath: /etc/ingest/owner, readOnly: true}
    {{- include "ingest.caMounts" $root | nindent 4 }}
{{- end }}

{{/* Pod of the Job that migrates. */}}
{{- define "ingest.migratePod" -}}
metadata:
  labels:
    {{- include "ingest.labels" (list . "migrate") | nindent 4 }}
    ingest/role: command
spec:
  {{- include "ingest.scheduling" (list . .Values.jobs) | nindent 2 }}
  restartPolicy: OnFailure
  securityContext:
    {{- include "ingest.podSecurity" . | nindent 4 }}
  containers:
    {{- include "ingest.migrate" (list . "cli") | nindent 4 }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
    {{- include "ingest.passwords" (list . "admin" "owner" "owner") | nindent 4 }}
    {{- include "ingest.caVolumes" . | nindent 4 }}
{{- end }}

{{/* Pod of a command of the CLI, with the settings and volumes of the downloader, since commands read listings:
     (dict "root" . "component" "submit" "command" list "image" component "settings" map), and the lists "env", "volumes", "mounts". */}}
{{- define "ingest.commandPod" -}}
{{- $root := .root -}}{{- $downloader := .root.Values.downloader -}}
metadata:
  labels:
    {{- include "ingest.labels" (list $root .component) | nindent 4 }}
    ingest/role: command
spec:
  {{- include "ingest.scheduling" (list $root $root.Values.jobs) | nindent 2 }}
  restartPolicy: {{ .restartPolicy | default "OnFailure" }}
  securityContext:
    {{- include "ingest.podSecurity" $root | nindent 4 }}
  containers:
    - name: ingest
      image: {{ include "ingest.image" (list $root .image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ concat (list "tini" "--") .command | toJson }}
      securityContext:
        {{- include "ingest.containerSecurity" $root | nindent 8 }}
      env:
        - {name: INGEST_SECRETS_DIR, value: /etc/ingest/passwords}
        - {name: INGEST_DATABASE_URL, value: {{ include "ingest.databaseUrl" (list $root "ingest_reader") | quote }}}
        - {name: INGEST_NATS_USER, value: submit}
        {{- include "ingest.settings" (list $root (include "ingest.commonSettings" $root | fromYaml) (include "ingest.sourceSettings" $root | fromYaml) $root.Values.settings $downloader.settings .settings) | nindent 8 }}
        {{- with include "ingest.outsideEnv" $root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $downloader.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $downloader.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml (.resources | default $root.Values.jobs.resources) | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        - {name: passwords, mountPath: /etc/ingest/passwords, readOnly: true}
        {{- include "ingest.caMounts" $root | nindent 8 }}
        {{- with concat (.mounts | default list) (include "ingest.exitMounts" $root | fromYamlArray) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $downloader.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "ingest.dataVolume" $root | nindent 4 }}
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
    {{- include "ingest.passwords" (list $root "submit" "reader" "passwords") | nindent 4 }}
    {{- include "ingest.caVolumes" $root | nindent 4 }}
    {{- with concat (.volumes | default list) (include "ingest.exitVolumes" $root | fromYamlArray) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $downloader.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
