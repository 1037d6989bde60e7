import type { Node, Task } from '../../src/api/swarm/objects.ts'
import { ShoalError } from '../../src/base/errors.ts'

/** The names that a template may use (M02), by dotted path. Labels are looked up as .Service.Labels.<name>. */
export interface TemplateContext { readonly values: Readonly<Record<string, string>>; readonly serviceLabels: Readonly<Record<string, string>> }

const LABELS = '.Service.Labels.'

export function templateContext(task: Task, node: Node | undefined): TemplateContext {
  const platform = node?.description?.platform
  return {
    serviceLabels: task.serviceAnnotations?.labels ?? {},
    values: {
      '.Service.ID': task.serviceId,
      '.Service.Name': task.serviceAnnotations?.name ?? '',
      '.Node.ID': task.nodeId,
      '.Node.Hostname': node?.description?.hostname ?? '',
      '.Node.Platform.OS': platform?.os ?? '',
      '.Node.Platform.Architecture': platform?.architecture ?? '',
      '.Task.ID': task.id,
      '.Task.Name': task.annotations?.name ?? '',
      '.Task.Slot': task.slot > 0 ? String(task.slot) : task.nodeId,
    },
  }
}

/**
 * Replaces {{.Task.Slot}} and the like. Only plain fields, white space and the trim marks {{- -}} are understood; Go's functions and control
 * structures are refused rather than passed through (D-200). @throws ShoalError `template-not-supported` (not-implemented), `template-unknown-field` (invalid-argument)
 */
export function expandTemplate(text: string, context: TemplateContext): string {
  if (!text.includes('{{')) return text
  return text.replace(/(\s*\{\{-\s+|\{\{\s*)(.*?)(\s+-\}\}\s*|\s*\}\})/gs, (_, _open: string, expression: string) => evaluate(expression.trim(), text, context))
}

function evaluate(expression: string, text: string, context: TemplateContext): string {
  const label = expression.startsWith(LABELS) ? expression.slice(LABELS.length) : indexedLabel(expression)
  if (label !== undefined) return context.serviceLabels[label] ?? missing(expression, text)
  if (!/^(\.\w+)+$/.test(expression)) {
    throw new ShoalError('not-implemented', 'template-not-supported', `template "${text}": only fields such as {{.Task.Slot}} are supported, not {{${expression}}}`)
  }
  return Object.hasOwn(context.values, expression) ? context.values[expression] ?? '' : missing(expression, text)
}

/** index .Service.Labels "name" */
function indexedLabel(expression: string): string | undefined {
  return /^index\s+\.Service\.Labels\s+"([^"\\]*)"$/.exec(expression)?.[1]
}

function missing(expression: string, text: string): never {
  throw new ShoalError('invalid-argument', 'template-unknown-field', `template "${text}": there is no ${expression}`)
}
