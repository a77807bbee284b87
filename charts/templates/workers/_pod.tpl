{{/* Pod of a service: (dict "root" . "component" "asr" "run" "" "settings" map), and the lists "env", "init", "volumes", "mounts". With
     the name of a run, it ends when that is settled. `ingest.pod.COMPONENT` calls this: (list root run). */}}
{{- define "ingest.workerPod" -}}
{{- $root := .root -}}{{- $component := .component -}}{{- $values := get $root.Values $component -}}
{{- $role := (include "ingest.component" (list $root $component) | fromYaml).role -}}
{{- $own := dict "metrics_port" 9090 "grace_s" $values.graceSeconds "nats_user" $component -}}
metadata:
  labels:
    {{- include "ingest.labels" (list $root $component) | nindent 4 }}
    {{- with .run }}
    ingest/run: {{ . | quote }}
    {{- end }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ $component }}
    ingest/passwords: {{ include "ingest.auth.checksum" $root }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "ingest.scheduling" (list $root $values) | nindent 2 }}
  {{- if .run }}
  restartPolicy: Never
  {{- end }}
  terminationGracePeriodSeconds: {{ add $values.graceSeconds 30 }}
  securityContext:
    {{- include "ingest.podSecurity" $root | nindent 4 }}
  {{- with concat (.init | default list) $values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $component }}
      image: {{ include "ingest.image" (list $root $component) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- with .run }}
      args: ["--until-settled", {{ . | quote }}]
      {{- end }}
      securityContext:
        {{- include "ingest.containerSecurity" $root | nindent 8 }}
      env:
        - {name: INGEST_SECRETS_DIR, value: /etc/ingest/passwords}
        {{- if $role }}
        - {name: INGEST_DATABASE_URL, value: {{ include "ingest.databaseUrl" (list $root (printf "ingest_%s" $role)) | quote }}}
        {{- end }}
        {{- include "ingest.settings" (list $root (include "ingest.commonSettings" $root | fromYaml) $own .settings $root.Values.settings $values.settings) | nindent 8 }}
        {{- with include "ingest.outsideEnv" $root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: metrics, containerPort: 9090}
      startupProbe: # succeeds when NATS is connected, the streams exist and the model is loaded
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: {{ div $values.startSeconds 2 }}
      livenessProbe: # for a hung process; a hung job ends its process by its deadline
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
        {{- toYaml $resources | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        - {name: passwords, mountPath: /etc/ingest/passwords, readOnly: true}
        {{- include "ingest.caMounts" $root | nindent 8 }}
        {{- with .mounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "ingest.dataVolume" $root | nindent 4 }}
    - name: tmp
      emptyDir: {sizeLimit: {{ $values.tmpSize }}}
    {{- include "ingest.passwords" (list $root $component $role "passwords") | nindent 4 }}
    {{- include "ingest.caVolumes" $root | nindent 4 }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
