{{/* Ports as docs and monitoring know them. */}}
{{- define "bongsu.ports" -}}
api: { http: 3000, management: 9464 }
notification: { management: 9465 }
audit: { http: 3002, management: 9466 }
{{- end }}

{{/* The groups that each service reads with, and their topics: libs/contracts. */}}
{{- define "bongsu.reads" -}}
api: { group: bongsu.status, topics: [notification.requests.urgent.v1, notification.requests.normal.v1, notification.requests.bulk.v1, notification.commands.v1, notification.events.v1] }
notification: { group: bongsu.notification, topics: [notification.requests.urgent.v1, notification.requests.normal.v1, notification.requests.bulk.v1, notification.commands.v1] }
audit: { group: bongsu.audit, topics: [notification.requests.urgent.v1, notification.requests.normal.v1, notification.requests.bulk.v1, notification.commands.v1, notification.events.v1] }
{{- end }}

{{- define "bongsu.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Of (root, service): what pods are found by. Never changes: selectors of a Deployment cannot. */}}
{{- define "bongsu.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "bongsu.labels" -}}
{{ include "bongsu.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: bongsu
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "bongsu.image" -}}
{{- with .root.Values.image }}{{ with .registry }}{{ . }}/{{ end }}{{ .repository }}/{{ $.name }}:{{ .tag | default $.root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The settings of one service, as YAML: those of all, its own over them, and what the chart knows by itself. */}}
{{- define "bongsu.settings" -}}
{{- $values := index .root.Values .name }}
{{- $settings := merge (dict) $values.settings .root.Values.settings }}
{{- with index (include "bongsu.ports" .root | fromYaml) .name }}
{{- $_ := set $settings "MANAGEMENT_PORT" (.management | toString) }}
{{- with .http }}{{ $_ := set $settings "PORT" (. | toString) }}{{ end }}
{{- end }}
{{- toYaml (merge $settings (include "bongsu.kafkaFiles" .root | fromYaml)) }}
{{- end }}

{{- define "bongsu.kafkaFiles" -}}
{{- if .Values.kafkaCertificates.existingSecret }}
KAFKA_SSL: 'true'
KAFKA_SSL_CA_FILE: /etc/bongsu/kafka/ca.crt
{{- if .Values.kafkaCertificates.clientCertificate }}
KAFKA_SSL_CERT_FILE: /etc/bongsu/kafka/tls.crt
KAFKA_SSL_KEY_FILE: /etc/bongsu/kafka/tls.key
{{- end }}
{{- else }}
{}
{{- end }}
{{- end }}

{{/* Variables from a service's Secret. */}}
{{- define "bongsu.secretVariables" -}}
{{- range .secretKeys.required }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $.existingSecret | quote }}, key: {{ . }} } }
{{- end }}
{{- range .secretKeys.optional }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $.existingSecret | quote }}, key: {{ . }}, optional: true } }
{{- end }}
{{- end }}

{{- define "bongsu.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  # The image's user `node`.
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "bongsu.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* Mounts of (root, name). */}}
{{- define "bongsu.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if .root.Values.kafkaCertificates.existingSecret }}
- { name: kafka-certificates, mountPath: /etc/bongsu/kafka, readOnly: true }
{{- end }}
{{- if and (eq .name "audit") .root.Values.audit.checkpointClaim }}
- { name: checkpoints, mountPath: /var/lib/bongsu }
{{- end }}
{{- end }}

{{- define "bongsu.volumes" -}}
- { name: tmp, emptyDir: { medium: Memory, sizeLimit: 64Mi } }
{{- with .root.Values.kafkaCertificates.existingSecret }}
- { name: kafka-certificates, secret: { secretName: {{ . | quote }}, defaultMode: 288 } }
{{- end }}
{{- if and (eq .name "audit") .root.Values.audit.checkpointClaim }}
- { name: checkpoints, persistentVolumeClaim: { claimName: {{ .root.Values.audit.checkpointClaim | quote }} } }
{{- end }}
{{- end }}
