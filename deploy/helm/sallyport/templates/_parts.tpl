{{- define "sallyport.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "sallyport.labels" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "sallyport.selector" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "sallyport.settings" -}}
- {name: SALLYPORT_HOME, value: /var/lib/sallyport/home}
- {name: SALLYPORT_LISTEN_HOST, value: "0.0.0.0"}
- {name: SALLYPORT_GATEWAY_SOCKET, value: /run/sallyport/gateway.sock}
- {name: SALLYPORT_APPROLE_FILE, value: /etc/sallyport/approle/approle.json}
- {name: SALLYPORT_VAULT_ADDR, value: {{ required "vault.address must be set" .Values.vault.address | quote }}}
- {name: SALLYPORT_OIDC_ISSUER, value: {{ required "oidc.issuer must be set" .Values.oidc.issuer | quote }}}
- {name: SALLYPORT_OIDC_JWKS_URL, value: {{ required "oidc.jwksUrl must be set" .Values.oidc.jwksUrl | quote }}}
- {name: SALLYPORT_OIDC_AUDIENCE, value: {{ .Values.oidc.audience | quote }}}
- {name: SALLYPORT_POSTGRES_HOST, value: {{ required "postgres.host must be set" .Values.postgres.host | quote }}}
- {name: SALLYPORT_POSTGRES_PORT, value: {{ .Values.postgres.port | quote }}}
- {name: SALLYPORT_OPA_URL, value: "http://127.0.0.1:8181"}
- {name: SALLYPORT_MLFLOW_URL, value: "http://{{ .Release.Name }}-mlflow:5000"}
- {name: PGSSLMODE, value: {{ .Values.postgres.sslmode | quote }}}
- {name: PGSSLROOTCERT, value: /etc/sallyport/postgres/ca.crt}
{{- end }}

{{- define "sallyport.container" -}}
image: {{ include "sallyport.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "sallyport.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "sallyport.pod" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sallyport.opa" -}}
- name: opa
  image: {{ .root.Values.opa.image | quote }}
  {{- if .root.Values.opa.configSecret }}
  args: [run, --server, "--addr=127.0.0.1:8181", --disable-telemetry, --config-file=/etc/opa/opa.yaml]
  env:
    # The gateway's own server asks the gateway beside it, which is not ready before it has the policies.
    - {name: SALLYPORT_BUNDLE_URL, value: {{ ternary "http://127.0.0.1:8080" (printf "http://%s-gateway:8080" .root.Release.Name) (eq .part "gateway") | quote }}}
  volumeMounts: [{name: opa, mountPath: /etc/opa, readOnly: true}]
  {{- else }}
  args: [run, --server, "--addr=127.0.0.1:8181", --disable-telemetry]   # the gateway gives it the policies and checks their digest
  {{- end }}
  securityContext: {{- include "sallyport.confined" .root | nindent 4 }}
  resources: {{- toYaml .root.Values.resources.opa | nindent 4 }}
{{- end }}

{{- define "sallyport.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: run, mountPath: /run/sallyport}
- {name: approle, mountPath: /etc/sallyport/approle, readOnly: true}
- {name: postgres-ca, mountPath: /etc/sallyport/postgres, readOnly: true}
{{- end }}

{{- define "sallyport.volumes" -}}
- {name: tmp, emptyDir: {}}
- {name: run, emptyDir: {medium: Memory}}
- {name: approle, secret: {secretName: {{ .Values.secrets.approle }}, defaultMode: 0440}}
- {name: postgres-ca, secret: {secretName: {{ .Values.secrets.postgresCa }}, defaultMode: 0440}}
{{- end }}
