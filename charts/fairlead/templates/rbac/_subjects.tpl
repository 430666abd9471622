{{/* The operator's ServiceAccount, as the subject of a binding. */}}
{{- define "fairlead.subjects" }}
- kind: ServiceAccount
  name: "{{ include "fairlead.serviceAccountName" . }}"
  namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{/* What makes `blockOwnerDeletion` pass where it is checked. */}}
{{- define "fairlead.ownerReferenceRules" }}
{{- if .Values.rbac.ownerReferences }}
- apiGroups: [fairlead.dev]
  resources: [apisvcs/finalizers]
  verbs: [update]
{{- end }}
{{- end }}
