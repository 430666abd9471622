{{/* Annotations of a definition. */}}
{{- define "fairlead-crds.annotations" -}}
{{- $own := dict }}
{{- if .Values.keep }}{{ $own = dict "helm.sh/resource-policy" "keep" }}{{ end }}
{{- with merge $own .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels of a definition. */}}
{{- define "fairlead-crds.labels" -}}
labels:
  {{- with .Values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  app.kubernetes.io/name: fairlead
  app.kubernetes.io/component: crds
  app.kubernetes.io/managed-by: {{ .Release.Service }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}
