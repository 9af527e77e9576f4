# shellcheck shell=bash
# Checks the template that a user deploys against the schemas of CloudFormation. It works offline and takes a few seconds.

lint_template() {
  "$state/cfn-lint-venv/bin/cfn-lint" deploy/template.yaml || fail 'deploy/template.yaml has the errors above'
  say 'deploy/template.yaml is valid'
}
