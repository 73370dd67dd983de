{{/*
The objects of one service: its Deployment, and what is switched on of HorizontalPodAutoscaler and PodDisruptionBudget.
(dict "root" $ "service" "auth" "database" true "keys" (list (list "master-key" "master.key")) "env" (dict …) "ports" (dict …) "api" false)
and "secrets", of your own: (list (dict "secret" "mine" "key" "tls.key" "path" "tls.key")), which are beside the keys.
A pod has only the keys of its own service. Those are in Secrets that the Jobs make, and so is the word that the migration of this version is
done: until they are there, the kubelet does not start it.
*/}}
{{- define "sandlot.deployment" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $values := index $root.Values $service -}}
{{- $fullname := include "sandlot.fullname" $root -}}
{{- $name := printf "%s-%s" $fullname $service -}}
{{- $labels := dict "root" $root "component" $service "name" $name -}}
{{- $restoring := ne $root.Values.backup.restore "" -}}
{{- $scaled := and (hasKey $values "autoscaling") (dig "autoscaling" "enabled" false $values) (not $restoring) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "sandlot.metadata" $labels | nindent 2 }}
spec:
  {{- if not $scaled }}
  replicas: {{ ternary 0 $values.replicas $restoring }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  selector:
    matchLabels:
      {{- include "sandlot.selector" $labels | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "sandlot.podLabels" $labels | nindent 8 }}
        {{- with .podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ $service }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ .serviceAccount | default (printf "%s-services" $fullname) }}
      automountServiceAccountToken: {{ .api | default false }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: 45
      {{- include "sandlot.pullSecrets" $root | nindent 6 }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      securityContext:
        {{- include "sandlot.podSecurityContext" 1000 | nindent 8 }}
      {{- if $values.topologySpread }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "sandlot.selector" $labels | nindent 14 }}
        {{- end }}
      {{- end }}
      {{- include "sandlot.placement" $values | nindent 6 }}
      containers:
        - name: {{ $service }}
          image: {{ include "sandlot.image" (dict "root" $root "image" $root.Values.image) | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- /* On a large node V8 would take 100 MB for short-lived objects, of which provisioner and proxy make many and keep few, and let as much again lie. */}}
          command: [node{{ if eq $service "provisioner" }}, --max-semi-space-size=2, --heap-growing-percent=10{{ else if eq $service "proxy" }}, --max-semi-space-size=8, --heap-growing-percent=20{{ end }}]
          args: [services/{{ $service }}/dist/main.js]
          env:
            {{- include "sandlot.natsEnv" $root | nindent 12 }}
            {{- if .database }}
            - name: SANDLOT_DATABASE_URL_FILE
              value: /keys/database.url
            - name: SANDLOT_DATABASE_READER_URL_FILE
              value: /keys/database.reader-url
            {{- end }}
            {{- range $variable, $value := .env }}
            - name: {{ $variable }}
              value: {{ $value | quote }}
            {{- end }}
            {{- with concat $root.Values.extraEnv $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- range $port, $number := .ports }}
            - { name: {{ $port }}, containerPort: {{ $number }} }
            {{- end }}
            - { name: metrics, containerPort: 9090 }
          # Alive is who answers at all; ready is who has NATS and what else it needs. Nobody is restarted for somebody else's outage.
          startupProbe: { httpGet: { path: /livez, port: metrics }, periodSeconds: 2, failureThreshold: 30 }
          livenessProbe: { httpGet: { path: /livez, port: metrics }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
          readinessProbe: { httpGet: { path: /readyz, port: metrics }, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 }
          # Time for those who route here to learn that it goes, before it stops to accept.
          lifecycle: { preStop: { sleep: { seconds: 5 } } }
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- include "sandlot.securityContext" nil | nindent 12 }}
          volumeMounts:
            - { name: keys, mountPath: /keys, readOnly: true }
            - { name: tmp, mountPath: /tmp }
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: keys
          projected:
            defaultMode: 0400
            sources:
              {{- include "sandlot.natsKeyItems" (dict "root" $root "identity" $service) | nindent 14 }}
              {{- range .keys }}
              - secret:
                  name: {{ include "sandlot.keySecret" (dict "root" $root "group" (index . 0)) }}
                  items: [{ key: {{ index . 1 }}, path: {{ index . 1 }} }]
              {{- end }}
              {{- range .secrets }}
              - secret:
                  name: {{ .secret }}
                  items: [{ key: {{ .key }}, path: {{ .path }} }]
              {{- end }}
              {{- if .database }}
              - secret:
                  name: {{ $fullname }}-database-urls
                  items:
                    - { key: {{ $service }}.url, path: database.url }
                    - { key: {{ $service }}.reader-url, path: database.reader-url }
              {{- end }}
              - configMap:
                  name: {{ $fullname }}-migrations
                  items: [{ key: {{ include "sandlot.migration" $root }}, path: migrated }]
        - name: tmp
          emptyDir: { sizeLimit: 64Mi }
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- if $scaled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "sandlot.metadata" $labels | nindent 2 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $name }} }
  minReplicas: {{ $values.autoscaling.minReplicas }}
  maxReplicas: {{ $values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: {{ $values.autoscaling.targetCPU }} }
  behavior:
    scaleDown: { stabilizationWindowSeconds: 300 } # a pod that goes ends the requests that it carries
{{- end }}
{{- if $values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "sandlot.metadata" $labels | nindent 2 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "sandlot.selector" $labels | nindent 6 }}
{{- end }}
{{- end -}}
