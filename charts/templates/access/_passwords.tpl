{{/* The passwords of the release: a dict from the key of the Secret to the password. With auth.seed they are derived from the
     seed. Otherwise the values of the release's Secret are kept, and missing ones are random. The result is stored in
     .Values, so that all templates of a rendering use the same. */}}
{{- define "ingest.auth.passwords" -}}
{{- if not (hasKey .Values "computedPasswords") }}
{{- $kept := dict }}
{{- if not .Values.auth.seed }}{{ $kept = include "ingest.auth.kept" . | fromYaml }}{{ end }}
{{- $passwords := dict }}
{{- range $key := include "ingest.passwordKeys" . | fromYamlArray }}
{{- $password := get $kept $key | b64dec | default (printf "p%s" (randAlphaNum 39)) }}
{{- with $.Values.auth.seed }}{{ $password = printf "p%s" (printf "%s/%s/%s" . $.Release.Name $key | sha256sum | trunc 39) }}{{ end }}
{{- $_ := set $passwords $key $password }}
{{- end }}
{{- $_ := set .Values "computedPasswords" $passwords }}
{{- end }}
{{- toYaml .Values.computedPasswords }}
{{- end }}

{{/* Data of the release's Secret in the cluster; an empty dict on a first install. Fails without a cluster, where neither the
     Secret nor a namespace is found: random passwords would differ with each rendering. */}}
{{- define "ingest.auth.kept" -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace (include "ingest.secretName" .) }}
{{- if not $secret }}
{{- if not (or (lookup "v1" "Namespace" "" .Release.Namespace) (lookup "v1" "Namespace" "" "kube-system")) }}
{{- fail "set auth.existingSecret, or auth.seed from which the passwords are derived: random passwords need a cluster that keeps them, and none can be read here (helm template, GitOps, a dry run by the client)" }}
{{- end }}
{{- $claim := printf "data-%s-postgres-0" (include "ingest.fullname" .) }}
{{- if and .Values.postgres.enabled (lookup "v1" "PersistentVolumeClaim" .Release.Namespace $claim) }}
{{- fail (printf "the claim %s of an earlier release exists, but not its Secret %s, and Postgres accepts only the passwords it was made with: set auth.seed (change-me for a release of 0.1.0 that set none) or auth.existingSecret, or delete the claim with its data" $claim (include "ingest.secretName" .)) }}
{{- end }}
{{- end }}
{{- toYaml ($secret.data | default dict) }}
{{- end }}

{{/* Annotation of pods; it changes with the passwords, so that the pods are replaced. */}}
{{- define "ingest.auth.checksum" -}}
{{- $passwords := "" }}
{{- if not (or .Values.auth.existingSecret .Values.auth.seed) }}{{ $passwords = include "ingest.auth.passwords" . }}{{ end -}}
{{ printf "%s/%s%s" .Values.auth.existingSecret .Values.auth.seed $passwords | sha256sum | trunc 16 }}
{{- end }}
