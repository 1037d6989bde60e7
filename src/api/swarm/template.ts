import { ShoalError } from '../../base/errors.ts'

/** The names that a template may use (M02), by dotted path. Labels are looked up as .Service.Labels.<name>. */
export interface TemplateContext { readonly values: Readonly<Record<TemplateField, string>>; readonly serviceLabels: Readonly<Record<string, string>> }

export const TEMPLATE_FIELDS = [
  '.Service.ID', '.Service.Name', '.Node.ID', '.Node.Hostname', '.Node.Platform.OS', '.Node.Platform.Architecture', '.Task.ID', '.Task.Name', '.Task.Slot',
] as const
export type TemplateField = typeof TEMPLATE_FIELDS[number]

const LABELS = '.Service.Labels.'
/** Go's names of the types behind the fields, which stand in its messages. */
const TYPES: Readonly<Record<string, string>> = {
  '': 'template.Context', '.Service': 'struct { ID string; Name string; Labels map[string]string }', '.Node': 'struct { ID string; Hostname string; Platform template.Platform }',
  '.Node.Platform': 'template.Platform', '.Task': 'struct { ID string; Name string; Slot string }',
}

/** Stands for every field where only the syntax and the names matter: when a service is created (M03). */
export function sampleContext(serviceLabels: Readonly<Record<string, string>>): TemplateContext {
  return { values: Object.fromEntries(TEMPLATE_FIELDS.map(field => [field, 'sample'])) as Record<TemplateField, string>, serviceLabels }
}

/**
 * Replaces {{.Task.Slot}} and the like. Only plain fields, labels, white space and the trim marks {{- -}} are understood; Go's functions and
 * control structures are refused rather than passed through (D-200). Messages begin as Go's do.
 * @throws ShoalError `template-malformed`, `template-unknown-field` (invalid-argument), `template-not-supported` (not-implemented)
 */
export function expandTemplate(text: string, context: TemplateContext): string {
  let expanded = ''
  let at = 0
  let trimsNext = false
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', at)) {
    const close = text.indexOf('}}', open)
    if (close < 0) throw malformed(text, open, 'unclosed action')
    const [, left = '', expression = '', right = ''] = /^(-\s+)?\s*(.*?)\s*(\s-)?$/s.exec(text.slice(open + 2, close)) ?? []
    const before = trimsNext ? text.slice(at, open).trimStart() : text.slice(at, open)
    expanded += (left === '' ? before : before.trimEnd()) + evaluate(expression, { text, open }, context)
    trimsNext = right !== ''
    at = close + 2
  }
  const rest = text.slice(at)
  return expanded + (trimsNext ? rest.trimStart() : rest)
}

interface Place { readonly text: string; readonly open: number }

function evaluate(expression: string, place: Place, context: TemplateContext): string {
  if (expression === '') throw malformed(place.text, place.open, 'missing value for command')
  const label = expression.startsWith(LABELS) ? expression.slice(LABELS.length) : indexedLabel(expression)
  if (label !== undefined && Object.hasOwn(context.serviceLabels, label)) return context.serviceLabels[label] ?? ''
  if (label !== undefined) throw unknownField(expression, place, `map has no entry for key "${label}"`)
  if (!/^(\.\w+)+$/.test(expression)) {
    throw new ShoalError('not-implemented', 'template-not-supported', `template: expansion:${lineOf(place)}: only fields such as {{.Task.Slot}} are supported here, not {{${expression}}}`)
  }
  if (Object.hasOwn(context.values, expression)) return context.values[expression as TemplateField]
  if (expression in TYPES) throw new ShoalError('not-implemented', 'template-not-supported', `template: expansion:${lineOf(place)}: {{${expression}}} is no single value; name one of its fields`)
  throw unknownField(expression, place, whyUnknown(expression))
}

/** index .Service.Labels "name" */
function indexedLabel(expression: string): string | undefined {
  return /^index\s+\.Service\.Labels\s+"([^"\\]*)"$/.exec(expression)?.[1]
}

function whyUnknown(expression: string): string {
  const parts = expression.slice(1).split('.')
  const depth = parts.findIndex((_, at) => !(`.${parts.slice(0, at + 1).join('.')}` in TYPES))
  const parent = depth === 0 ? '' : `.${parts.slice(0, depth).join('.')}`
  const field = `${parent}.${parts[depth] ?? ''}`
  const isValue = (TEMPLATE_FIELDS as readonly string[]).includes(field)
  return isValue ? `can't evaluate field ${parts[depth + 1] ?? ''} in type string` : `can't evaluate field ${parts[depth] ?? ''} in type ${TYPES[parent] ?? ''}`
}

function unknownField(expression: string, place: Place, why: string): ShoalError {
  const column = place.text.indexOf(expression, place.open) - (place.text.lastIndexOf('\n', place.open) + 1)
  return new ShoalError('invalid-argument', 'template-unknown-field', `template: expansion:${lineOf(place)}:${column}: executing "expansion" at <${expression}>: ${why}`)
}

function malformed(text: string, open: number, why: string): ShoalError {
  return new ShoalError('invalid-argument', 'template-malformed', `template: expansion:${lineOf({ text, open })}: ${why}`)
}

function lineOf({ text, open }: Place): number { return text.slice(0, open).split('\n').length }
