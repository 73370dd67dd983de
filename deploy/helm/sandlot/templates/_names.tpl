{{- define "sandlot.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What all names begin with. */}}
{{- define "sandlot.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "sandlot.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sandlot.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of an object's selector: (dict "root" $ "component" "proxy"). Never changes for an installation. */}}
{{- define "sandlot.selector" -}}
app.kubernetes.io/name: {{ include "sandlot.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "sandlot.labels" -}}
{{ include "sandlot.selector" . }}
app.kubernetes.io/part-of: sandlot
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of pods. Without the chart's version, and for NATS and PostgreSQL without ours: a label that changes restarts them. */}}
{{- define "sandlot.podLabels" -}}
{{ include "sandlot.selector" . }}
app.kubernetes.io/part-of: sandlot
{{- if not .stateful }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object: (dict "root" $ "component" "proxy" "name" "…"), and "annotations", "namespace" or "clusterScoped" true. */}}
{{- define "sandlot.metadata" -}}
name: {{ .name }}
{{- if not .clusterScoped }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "sandlot.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (dict "root" $ "image" .Values.image) */}}
{{- define "sandlot.image" -}}
{{- $registry := .image.registry | default .root.Values.global.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion | toString) -}}
{{- end -}}
{{- end -}}

{{- define "sandlot.sandboxImage" -}}
{{- if .Values.sandboxes.image -}}
{{- .Values.sandboxes.image -}}
{{- else -}}
{{- include "sandlot.image" (dict "root" . "image" (dict "registry" "" "repository" "sandlot/sandbox" "tag" "" "digest" "")) -}}
{{- end -}}
{{- end -}}

{{/* The Secret of a group of keys: (dict "root" $ "group" "master-key" "existing" "masterKey"). */}}
{{- define "sandlot.keySecret" -}}
{{- $names := dict "nats-identities" "natsIdentities" "identity-key" "identityKey" "master-key" "masterKey" "admin-key" "adminKey" "postgresql" "postgresql" -}}
{{- index .root.Values.keys.existing (index $names .group) | default (printf "%s-%s" (include "sandlot.fullname" .root) .group) -}}
{{- end -}}

{{/* The groups that the Job of the keys makes, separated by spaces. */}}
{{- define "sandlot.madeGroups" -}}
{{- $groups := list -}}
{{- $existing := .Values.keys.existing -}}
{{- if not $existing.natsIdentities }}{{ $groups = append $groups "nats-identities" }}{{ end -}}
{{- if not $existing.identityKey }}{{ $groups = append $groups "identity-key" }}{{ end -}}
{{- if not $existing.masterKey }}{{ $groups = append $groups "master-key" }}{{ end -}}
{{- if not $existing.adminKey }}{{ $groups = append $groups "admin-key" }}{{ end -}}
{{- if and .Values.postgresql.embedded (not $existing.postgresql) }}{{ $groups = append $groups "postgresql" }}{{ end -}}
{{- join " " $groups -}}
{{- end -}}

{{- define "sandlot.natsUrl" -}}
{{- $name := printf "%s-nats" (include "sandlot.fullname" .) -}}
{{- if not .Values.nats.embedded -}}
{{- .Values.nats.url -}}
{{- else if eq (int .Values.nats.replicas) 1 -}}
nats://{{ $name }}:4222
{{- else -}}
{{- $urls := list -}}
{{- range $i := until (int .Values.nats.replicas) }}{{ $urls = append $urls (printf "nats://%s-%d.%s:4222" $name $i $name) }}{{ end -}}
{{- join "," $urls -}}
{{- end -}}
{{- end -}}

{{/* Whether the public port speaks TLS itself, and the Secret with its certificate. */}}
{{- define "sandlot.proxyTlsSecret" -}}
{{- $tls := .Values.proxy.tls -}}
{{- if or $tls.secretName $tls.certManagerIssuer.name -}}
{{- $tls.secretName | default (printf "%s-proxy-tls" (include "sandlot.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{/* The host of accessUrl, without a port. */}}
{{- define "sandlot.accessHost" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .Values.accessUrl).host "" -}}
{{- end -}}

{{/* The domain of previews, with the port that it may have; and the host that stands for all of them. */}}
{{- define "sandlot.previewDomain" -}}
{{- .Values.previews.domain | default (trimPrefix "*." .Values.ingress.previewHost) -}}
{{- end -}}
{{- define "sandlot.previewHost" -}}
{{- with .Values.ingress.previewHost -}}{{ . }}{{- else -}}
{{- with .Values.previews.domain -}}{{ printf "*.%s" (regexReplaceAll ":[0-9]+$" . "") }}{{- end -}}
{{- end -}}
{{- end -}}
