{{/* Deployment of a service: (dict "root" . "component" "asr" "settings" map "databaseUser" "" "init" "yaml" "volumes" "yaml" "mounts" "yaml"). */}}
{{- define "ingest.worker" -}}
{{- $root := .root -}}{{- $component := .component -}}{{- $values := get $root.Values $component -}}
{{- $scaled := or $values.autoscaling.enabled $values.keda.enabled -}}
{{- $own := dict "metrics_port" 9090 "grace_s" $values.graceSeconds "nats_user" $component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "ingest.metadata" (list $root $component) | nindent 2 }}
spec:
  {{- if not (or $scaled (kindIs "invalid" $values.replicas)) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: {{ add $values.graceSeconds $values.startSeconds 1800 }} # half an hour for a node, images and models
  strategy:
    {{- ternary (omit $values.strategy "rollingUpdate") $values.strategy (eq (toString $values.strategy.type) "Recreate") | toYaml | nindent 4 }}
  selector:
    matchLabels:
      {{- include "ingest.selectorLabels" (list $root $component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "ingest.labels" (list $root $component) | nindent 8 }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ $component }}
        ingest/passwords: {{ printf "%s/%s" $root.Values.auth.existingSecret $root.Values.auth.seed | sha256sum | trunc 16 }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "ingest.scheduling" (list $root $values) | nindent 6 }}
      terminationGracePeriodSeconds: {{ add $values.graceSeconds 30 }}
      securityContext:
        {{- include "ingest.podSecurity" $root | nindent 8 }}
      {{- if or .init $values.initContainers }}
      initContainers:
        {{- with .init }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.initContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ $component }}
          image: {{ include "ingest.image" (list $root $component) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext:
            {{- include "ingest.containerSecurity" $root | nindent 12 }}
          env:
            - {name: INGEST_SECRETS_DIR, value: /etc/ingest/passwords}
            {{- if .databaseUser }}
            - {name: INGEST_DATABASE_URL, value: {{ include "ingest.databaseUrl" (list $root .databaseUser) | quote }}}
            {{- end }}
            {{- include "ingest.settings" (list $root (include "ingest.commonSettings" $root | fromYaml) $own .settings $root.Values.settings $values.settings) | nindent 12 }}
            {{- with .env }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- with $values.extraEnvFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - {name: metrics, containerPort: 9090}
          startupProbe: # until NATS has answered, the streams are there and the model is loaded
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: {{ div $values.startSeconds 2 }}
          livenessProbe: # a hung job ends its process by itself; this sees a hung process
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 20
            timeoutSeconds: 10
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
          resources:
            {{- $resources := deepCopy $values.resources }}
            {{- if and (hasKey $values "gpu") ($values.gpu).count }}
            {{- $gpu := dict $values.gpu.resourceName $values.gpu.count }}
            {{- $resources = mergeOverwrite $resources (dict "limits" $gpu) }}
            {{- end }}
            {{- toYaml $resources | nindent 12 }}
          terminationMessagePolicy: FallbackToLogsOnError
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
            - {name: passwords, mountPath: /etc/ingest/passwords, readOnly: true}
            {{- include "ingest.caMounts" $root | nindent 12 }}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "ingest.dataVolume" $root | nindent 8 }}
        - name: tmp
          emptyDir: {sizeLimit: {{ $values.tmpSize }}}
        {{- include "ingest.passwords" (list $root $component (.databaseUser | trimPrefix "ingest_") "passwords") | nindent 8 }}
        {{- include "ingest.caVolumes" $root | nindent 8 }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* Init container that brings schema and streams up to date, under the owner's name: (list root component), of whose image it is. */}}
{{- define "ingest.migrate" -}}
{{- $root := first . -}}
- name: migrate
  image: {{ include "ingest.image" . }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: [tini, --, ingest, migrate, --wait, "600"]
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

{{/* Pod of a command of the CLI, which reads listings as the downloader would:
     (dict "root" . "component" "submit" "command" list "image" component "settings" map "env" "yaml" "volumes" "yaml" "mounts" "yaml"). */}}
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
        {{- with .env }}
        {{- . | nindent 8 }}
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
        {{- with .mounts }}
        {{- . | nindent 8 }}
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
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $downloader.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Where sources may be: for the downloader, and for whoever reads listings. */}}
{{- define "ingest.sourceSettings" -}}
file_roots: /data/inbox
{{- $hosts := .Values.downloader.allowedHosts }}
{{- if .Values.demo.enabled }}{{ $hosts = append $hosts (printf "%s-demo" (include "ingest.fullname" .)) }}{{ end }}
{{- with $hosts }}
allowed_hosts: {{ join "," . | quote }}
{{- end }}
{{- end }}
