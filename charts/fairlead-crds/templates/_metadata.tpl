{{/* Annotations of a definition. A `keep` that is blank keeps. */}}
{{- define "fairlead-crds.annotations" -}}
{{- $own := dict }}
{{- if ne (toString .Values.keep) "false" }}{{ $own = dict "helm.sh/resource-policy" "keep" }}{{ end }}
{{- with merge $own (include "fairlead-crds.given" .Values.annotations | fromYaml) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels of a definition. */}}
{{- define "fairlead-crds.labels" -}}
{{- $own := include "fairlead-crds.ownLabels" . | fromYaml }}
{{- $given := include "fairlead-crds.given" .Values.labels | fromYaml }}
{{- range $label, $_ := $given }}
{{- if hasKey $own $label }}
{{- fail (printf "labels: the label %s is the chart's own; leave it out" $label) }}
{{- end }}
{{- end -}}
labels:
  {{- with $given }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "fairlead-crds.ownLabels" . | nindent 2 }}
{{- end }}

{{/* Those that the chart sets itself. */}}
{{- define "fairlead-crds.ownLabels" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/component: crds
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | quote }}
{{- end }}

{{/* What is not blank of a map. */}}
{{- define "fairlead-crds.given" -}}
{{- $given := dict }}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $given $key $value }}{{ end }}
{{- end }}
{{- toYaml $given }}
{{- end }}
