{{/* What the restricted Pod Security Standard asks for, and more. 1000 is the user of our images. */}}
{{- define "sandlot.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "sandlot.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "sandlot.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may go: the service's values. */}}
{{- define "sandlot.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* How to reach NATS, for every service and Job. Who shows a certificate of its own there has it from the same Secret as the authority's. */}}
{{- define "sandlot.natsEnv" -}}
- name: SANDLOT_NATS_URL
  value: {{ include "sandlot.natsUrl" . | quote }}
- name: SANDLOT_NATS_NKEY_FILE
  value: /keys/nats.nk
{{- if .Values.nats.tlsSecret }}
- name: SANDLOT_NATS_TLS_CA_FILE
  value: /keys/nats-ca.crt
{{- if .Values.nats.tlsClientCertificate }}
- name: SANDLOT_NATS_TLS_CERT_FILE
  value: /keys/nats-tls.crt
- name: SANDLOT_NATS_TLS_KEY_FILE
  value: /keys/nats-tls.key
{{- end }}
{{- end }}
- name: SANDLOT_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
{{- end -}}

{{/* A token of the pod's service account for one container alone. */}}
{{- define "sandlot.tokenVolume" -}}
name: token
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken: { path: token, expirationSeconds: 3607 }
    - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
    - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end -}}

{{/* The items of the projected volume `keys`: (dict "root" $ "identity" "auth"). */}}
{{- define "sandlot.natsKeyItems" -}}
- secret:
    name: {{ include "sandlot.keySecret" (dict "root" .root "group" "nats-identities") }}
    items: [{ key: {{ .identity }}.nk, path: nats.nk }]
{{- if .root.Values.nats.tlsSecret }}
- secret:
    name: {{ .root.Values.nats.tlsSecret }}
    items:
      - { key: ca.crt, path: nats-ca.crt }
      {{- if .root.Values.nats.tlsClientCertificate }}
      - { key: tls.crt, path: nats-tls.crt }
      - { key: tls.key, path: nats-tls.key }
      {{- end }}
{{- end }}
{{- end -}}
