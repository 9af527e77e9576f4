# shellcheck shell=bash
# The template that a user deploys, against the schemas of CloudFormation: offline, in a few seconds.

lint_template() {
  "$state/cfn-lint-venv/bin/cfn-lint" deploy/template.yaml || fail 'deploy/template.yaml has the faults above'
  say 'deploy/template.yaml is sound'
}
