{{/*
Give every value that is blank, or that the values of an older release lack (`--reuse-values`), its default. Every template
begins with it.
*/}}
{{- define "fairlead.defaults" -}}
{{- include "fairlead.fill" (list .Values (.Files.Get "files/defaults.yaml" | fromYaml)) }}
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
