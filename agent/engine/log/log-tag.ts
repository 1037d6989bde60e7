import { invalidLogOption } from './invalid-log-option.ts'

/** What log drivers know of a container. */
export interface LoggedContainer {
  readonly id: string
  readonly name: string
  readonly imageId: string
  readonly imageName: string
  readonly command: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly env: readonly string[]
}

const SHORT_ID = 12

/**
 * The log option `tag`: text with fields in double braces. Docker's functions and pipes are refused, unknown fields with Docker's words.
 * @throws `invalid-log-option` (invalid-argument)
 */
export function renderTag(template: string, container: LoggedContainer): string {
  const fields: Readonly<Record<string, string>> = {
    ID: container.id.slice(0, SHORT_ID), FullID: container.id, Name: container.name, ImageName: container.imageName, ImageFullID: container.imageId, ImageID: container.imageId.slice(0, SHORT_ID),
    DaemonName: 'docker', Command: container.command.join(' '),
    ContainerID: container.id, ContainerName: `/${container.name}`, ContainerImageID: container.imageId, ContainerImageName: container.imageName,
  }
  const text = template.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_, action: string, at: number) => {
    const [, name] = /^\.([A-Za-z]\w*)$/.exec(action) ?? []
    if (name === undefined) throw invalidLogOption(`template: log-tag: the action {{${action}}} is not supported in tags; use fields such as {{.Name}} or {{.ID}}`)
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (value === undefined) throw invalidLogOption(`template: log-tag:1:${at + 2}: executing "log-tag" at <.${name}>: can't evaluate field ${name} in type *logger.Info`)
    return value
  })
  if (template.replace(/\{\{.*?\}\}/g, '').includes('{{')) throw invalidLogOption('template: log-tag:1: unclosed action')
  return text
}
