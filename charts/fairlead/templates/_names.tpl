{{/* Base of all names. One of them is a Service's, so it has to be a name that a Service can bear everywhere. */}}
{{- define "fairlead.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride }}
{{- $usual := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) }}
{{- $name := default $usual .Values.fullnameOverride | trunc 45 | trimAll "-" }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "objects would be called %s, as no Service can be before Kubernetes 1.36; set fullnameOverride to small letters, digits and dashes, a letter first" $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* Labels by which the operator's pods are selected. They can never change. */}}
{{- define "fairlead.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of every object. */}}
{{- define "fairlead.labels" -}}
{{ include "fairlead.selector" . }}
app.kubernetes.io/part-of: fairlead
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | quote }}
{{- end }}

{{/* Labels that users add to the chart's. Takes a list: the root, the labels, and the name of their value. */}}
{{- define "fairlead.usersLabels" -}}
{{- $own := include "fairlead.labels" (index . 0) | fromYaml }}
{{- $value := index . 2 }}
{{- range $label, $_ := index . 1 }}
{{- if hasKey $own $label }}
{{- fail (printf "%s: the label %s is the chart's own; leave it out" $value $label) }}
{{- end }}
{{- end }}
{{- with index . 1 }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object of the release's namespace. Takes a list: the root, and what the name ends in. */}}
{{- define "fairlead.metadata" -}}
{{- $root := index . 0 -}}
name: "{{ include "fairlead.fullname" $root }}{{ with index . 1 }}-{{ . }}{{ end }}"
namespace: {{ $root.Release.Namespace | quote }}
labels:
  {{- include "fairlead.labels" $root | nindent 2 }}
{{- end }}

{{/* Metadata of a cluster-wide object. Takes the same. */}}
{{- define "fairlead.clusterMetadata" -}}
{{- $root := index . 0 -}}
name: "{{ include "fairlead.fullname" $root }}{{ with index . 1 }}-{{ . }}{{ end }}"
labels:
  {{- include "fairlead.labels" $root | nindent 2 }}
{{- end }}

{{/* Name of the operator's ServiceAccount. */}}
{{- define "fairlead.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "fairlead.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Reference of an image. Takes a list: the root, and repository, tag and digest. */}}
{{- define "fairlead.image" -}}
{{- $root := index . 0 }}
{{- with index . 1 }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $root.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}
