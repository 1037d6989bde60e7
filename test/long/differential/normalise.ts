/** The old client says it or not, as it happens, after a container that could not start. */
const CLIENT_RACE = /^time="[^"]*" level=error msg="error waiting for container: context canceled"\s*$/gm
/** The old client gives up on the size of a terminal after half a second: on a busy machine a start takes longer, with either daemon. */
const RESIZE_RACE = /^failed to resize tty, using default size\s*$/gm

/** Takes out of an answer what two runs of the same daemon would not agree on: ids, tokens, times. */
export function normalise(text: string): string {
  return text.replace(/\r/g, '').replace(CLIENT_RACE, '').replace(RESIZE_RACE, '').replace(/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, '<token>').replace(/sha256:[0-9a-f]{64}/g, '<digest>').replace(/\b[0-9a-f]{64}\b/g, '<hex>').replace(/\b[0-9a-f]{12}\b/g, '<short>')
    .replace(/\b[0-9a-z]{25}\b/g, '<id>').replace(/\b\d{4}-\d\d-\d\d[T ][0-9:.]+(Z| [+-]\d{4} [A-Z]+|[+-]\d\d:\d\d)/gi, '<time>')
    .replace(/(About |Less than )?(an?|\d+) (second|minute|hour)s?( ago)?/g, (_all, _about, _number, _unit, ago?: string) => ago === undefined ? '<while>' : '<ago>')
    .replace(/(<ago>|<while>|CREATED|STATUS)  +/g, '$1  ')
    .split('\n').map(line => line.trimEnd()).join('\n').trim()
}

/** The names and types of a JSON value's fields, one path a line: what a client may rely on where values differ. */
export function shapeOf(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return value.length === 0 ? [`${path}: []`] : [...new Set(value.flatMap(each => shapeOf(each, `${path}[]`)))]
  if (typeof value !== 'object' || value === null) return [`${path}: ${value === null ? 'null' : typeof value}`]
  const fields = Object.entries(value)
  return fields.length === 0 ? [`${path}: {}`] : fields.flatMap(([name, each]) => shapeOf(each, `${path}.${name}`)).sort()
}
