import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expandTemplate, sampleContext, TEMPLATE_FIELDS } from './template.ts'

const CONTEXT = { values: { ...sampleContext({}).values, '.Task.Slot': '3' }, serviceLabels: { tier: 'front' } }

test('fields and labels are replaced, trim marks take white space away', () => {
  assert.equal(expandTemplate('no template', CONTEXT), 'no template')
  assert.equal(expandTemplate('a{{.Task.Slot}}b{{ .Task.Slot }}', CONTEXT), 'a3b3')
  assert.equal(expandTemplate('a  {{- .Task.Slot -}}  b {{.Service.Labels.tier}}', CONTEXT), 'a3b front')
  assert.equal(expandTemplate('{{index .Service.Labels "tier"}}', CONTEXT), 'front')
  for (const field of TEMPLATE_FIELDS) assert.equal(expandTemplate(`{{${field}}}`, sampleContext({})), 'sample')
})

test("what is wrong is told in Go's words", () => {
  const cases: readonly [text: string, code: string, message: string][] = [
    ['A{{.Node', 'template-malformed', 'template: expansion:1: unclosed action'],
    ['\n{{}}', 'template-malformed', 'template: expansion:2: missing value for command'],
    ['x{{.Nope}}', 'template-unknown-field', 'template: expansion:1:3: executing "expansion" at <.Nope>: can\'t evaluate field Nope in type template.Context'],
    ['{{.Task.Nope}}', 'template-unknown-field', 'template: expansion:1:2: executing "expansion" at <.Task.Nope>: can\'t evaluate field Nope in type struct { ID string; Name string; Slot string }'],
    ['{{.Task.ID.x}}', 'template-unknown-field', 'template: expansion:1:2: executing "expansion" at <.Task.ID.x>: can\'t evaluate field x in type string'],
    ['{{.Service.Labels.nope}}', 'template-unknown-field', 'template: expansion:1:2: executing "expansion" at <.Service.Labels.nope>: map has no entry for key "nope"'],
    ['{{if .Task.Slot}}x{{end}}', 'template-not-supported', 'template: expansion:1: only fields such as {{.Task.Slot}} are supported here, not {{if .Task.Slot}}'],
    ['{{.Task}}', 'template-not-supported', 'template: expansion:1: {{.Task}} is no single value; name one of its fields'],
  ]
  for (const [text, code, message] of cases) assert.throws(() => expandTemplate(text, CONTEXT), { code, message }, text)
})
