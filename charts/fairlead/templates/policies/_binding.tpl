{{/* Whether policies can be made: they are cluster-wide. */}}
{{- define "fairlead.policy" -}}
{{- if and .policy.enabled (not .root.Values.watchNamespaces) }}true{{ end }}
{{- end }}

{{/* What a policy matches. Takes the operations. */}}
{{- define "fairlead.match" -}}
matchConstraints:
  resourceRules:
  - apiGroups: [fairlead.dev]
    apiVersions: [v1alpha1]
    operations: [{{ join ", " . }}]
    resources: [apisvcs]
    scope: Namespaced
{{- end }}

{{/*
Only what changes the specification. Without it a class that was tightened would keep the operator from taking its
finalizer off, and users from pausing or deleting what is already there.
*/}}
{{- define "fairlead.specChanged" -}}
- name: specification-changed
  expression: request.operation == 'CREATE' || object.spec != oldObject.spec
{{- end }}

{{/* The compiled patterns of one limit: `*` is any run of characters, nothing else is special, case does not matter. */}}
{{- define "fairlead.patterns" -}}
variables.limits.?{{ . }}.orValue([]).map(p,
  '(?i)^\\Q' + p.replace('\\', '\\E\\\\\\Q').replace('*', '\\E.*\\Q') + '\\E$')
{{- end }}
