{{/* The operator's settings: FAIRLEAD_ and the setting's name. */}}
{{- define "fairlead.environment" -}}
{{- with .Values.leaderElection }}
{{- if or (ge (int .retrySeconds) (int .renewSeconds)) (ge (int .renewSeconds) (int .leaseSeconds)) }}
{{- fail "leaderElection: retrySeconds has to be less than renewSeconds, and renewSeconds less than leaseSeconds" }}
{{- end }}
{{- end -}}
- name: FAIRLEAD_IMAGE
  value: {{ include "fairlead.image" (list . .Values.workload.image) | quote }}
{{- with .Values.watchNamespaces }}
- name: FAIRLEAD_NAMESPACE
  value: {{ join "," . | quote }}
- name: FAIRLEAD_CLASS_FILE
  value: /etc/fairlead/class/class.yaml
{{- end }}
- name: FAIRLEAD_IDENTITY
  valueFrom:
    fieldRef: {apiVersion: v1, fieldPath: metadata.name}
- name: FAIRLEAD_LEASE_NAMESPACE
  valueFrom:
    fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}
- name: FAIRLEAD_LEASE_NAME
  value: {{ include "fairlead.leaseName" . | quote }}
- name: FAIRLEAD_LEASE_SECONDS
  value: {{ .Values.leaderElection.leaseSeconds | quote }}
- name: FAIRLEAD_LEASE_RENEW_SECONDS
  value: {{ .Values.leaderElection.renewSeconds | quote }}
- name: FAIRLEAD_LEASE_RETRY_SECONDS
  value: {{ .Values.leaderElection.retrySeconds | quote }}
- name: FAIRLEAD_WORKERS
  value: {{ .Values.operator.workers | quote }}
- name: FAIRLEAD_REQUESTS_IN_FLIGHT
  value: {{ .Values.operator.requestsInFlight | quote }}
- name: FAIRLEAD_RESYNC_SECONDS
  value: {{ .Values.operator.resyncSeconds | quote }}
- name: FAIRLEAD_LOG_LEVEL
  value: {{ .Values.operator.logLevel | quote }}
- name: FAIRLEAD_RUNBOOKS
  value: {{ include "fairlead.runbooks" . | quote }}
- name: FAIRLEAD_PORT
  value: "8081"
{{- end }}

{{/* Name of the Lease. */}}
{{- define "fairlead.leaseName" -}}
{{ include "fairlead.fullname" . }}-operator
{{- end }}

{{/* The page that every alert's `runbook_url` leads to. */}}
{{- define "fairlead.runbooks" -}}
{{- default (printf "https://fairlead.dev/docs/v%s/alerts.md" .Chart.AppVersion) .Values.metrics.runbooks }}
{{- end }}
