import findMyWay from 'find-my-way'
import type { Handler, Method, Route } from './route.ts'

/** Longer path segments are nobody's name. */
const SEGMENT_LENGTH_MAX = 4096

export interface Match { readonly handler: Handler; readonly params: Readonly<Record<string, string>> }

/** A greedy route's ending (`/json`, or nothing) behind the name of unknown depth. */
interface Ending { readonly rest: string; readonly param: string; readonly handler: Handler }

/** Finds the route for a method and path. Literal paths win over parameters, longer endings over shorter. */
export class Router {
  readonly #tree = findMyWay({ maxParamLength: SEGMENT_LENGTH_MAX, ignoreTrailingSlash: true })

  constructor(routes: readonly Route[]) {
    const greedy = new Map<string, Ending[]>()
    for (const { method, path, handler } of routes) {
      const match = /^(.*)\{(\w+)\.\.\.\}(.*)$/.exec(path)
      if (match === null) {
        this.#tree.on(method, path.replace(/\{(\w+)\}/g, ':$1'), () => {}, [{ rest: '', param: '', handler }])
        continue
      }
      const key = `${method} ${match[1]}*`
      greedy.set(key, [...greedy.get(key) ?? [], { rest: match[3] ?? '', param: match[2] ?? '', handler }])
    }
    for (const [key, endings] of greedy) {
      const [method, path] = key.split(' ') as [Method, string]
      this.#tree.on(method, path, () => {}, endings.toSorted((a, b) => b.rest.length - a.rest.length))
    }
  }

  find(method: string, path: string): Match | undefined {
    // A link to a container is a name of it too, with a slash in it: /containers/web/db/stop.
    const found = this.#tree.find(method as Method, path) ?? this.#tree.find(method as Method, path.replace(/^(\/containers\/[^/]+)\/(?=[^/])/, '$1%2F'))
    if (found === null) return undefined
    const endings = found.store as readonly Ending[] | undefined
    const params = Object.fromEntries(Object.entries(found.params).map(([name, value]) => [name, value ?? '']))
    const tail = params['*']
    if (tail === undefined) return endings?.[0] === undefined ? undefined : { handler: endings[0].handler, params }
    const ending = endings?.find(({ rest }) => tail.endsWith(rest) && tail.length > rest.length)
    return ending === undefined ? undefined : { handler: ending.handler, params: { [ending.param]: tail.slice(0, tail.length - ending.rest.length) } }
  }
}
