import type { ApiRequest } from './api-request.ts'
import type { Reply } from './reply.ts'

export type Handler = (request: ApiRequest) => Promise<Reply> | Reply
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

/**
 * One line of the route table. In `path`, `{id}` is one segment and `{name...}` one or more (image names have slashes);
 * after the latter at most one literal rest may follow, e.g. `/images/{name...}/json`.
 */
export interface Route { readonly method: Method; readonly path: string; readonly handler: Handler }

export function route(method: Method, path: string, handler: Handler): Route {
  return { method, path, handler }
}
