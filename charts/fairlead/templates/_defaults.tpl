{{/*
Give every value that is blank, or that the values of an older release lack (`--reuse-values`), its default. Every template
begins with it.
*/}}
{{- define "fairlead.defaults" -}}
{{- include "fairlead.prune" .Values }}
{{- include "fairlead.fill" (list .Values (.Files.Get "files/defaults.yaml" | fromYaml)) }}
{{- end }}

{{/* Take out what is blank. Helm has done so already where there is a default. */}}
{{- define "fairlead.prune" -}}
{{- $values := . }}
{{- range $name, $given := . }}
{{- if kindIs "invalid" $given }}
{{- $_ := unset $values $name }}
{{- else if kindIs "map" $given }}
{{- include "fairlead.prune" $given }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fill values from defaults. Maps whose keys the user chooses stay as they are: a blank takes a key out of them. */}}
{{- define "fairlead.fill" -}}
{{- $values := index . 0 }}
{{- range $name, $default := index . 1 }}
{{- $given := index $values $name }}
{{- if kindIs "invalid" $given }}
{{- $_ := set $values $name $default }}
{{- else if and (kindIs "map" $default) (not (has $name (list "labels" "requests" "limits"))) }}
{{- include "fairlead.fill" (list $given $default) }}
{{- end }}
{{- end }}
{{- end }}
