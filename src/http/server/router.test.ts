import assert from 'node:assert/strict'
import { test } from 'node:test'
import { empty } from './reply.ts'
import { route } from './route.ts'
import { Router } from './router.ts'

const names = ['GET /images/json', 'GET /images/{name...}/json', 'GET /images/{name...}/get', 'GET /images/get', 'DELETE /images/{name...}', 'GET /containers/{id}/json', 'GET /containers/json']
const handlers = new Map(names.map(name => [name, () => empty(200)]))
const router = new Router(names.map(name => {
  const [method, path] = name.split(' ') as ['GET', string]
  return route(method, path, handlers.get(name) ?? (() => empty(500)))
}))

function found(method: string, path: string): unknown {
  const match = router.find(method, path)
  if (match === undefined) return undefined
  return [names.find(name => handlers.get(name) === match.handler), match.params]
}

test('names of images may have slashes, registries and digests', () => {
  assert.deepEqual(found('GET', '/images/example.org:5000/team/app:1.2/json'), ['GET /images/{name...}/json', { name: 'example.org:5000/team/app:1.2' }])
  assert.deepEqual(found('GET', '/images/app@sha256:abc/get'), ['GET /images/{name...}/get', { name: 'app@sha256:abc' }])
  assert.deepEqual(found('GET', '/images/a%2Fb/json'), ['GET /images/{name...}/json', { name: 'a/b' }])
  assert.deepEqual(found('DELETE', '/images/a/json'), ['DELETE /images/{name...}', { name: 'a/json' }])
})

test('literal paths win, and a trailing slash does not matter', () => {
  assert.deepEqual(found('GET', '/images/json'), ['GET /images/json', {}])
  assert.deepEqual(found('GET', '/images/get/'), ['GET /images/get', {}])
  assert.deepEqual(found('GET', '/containers/json'), ['GET /containers/json', {}])
  assert.deepEqual(found('GET', '/containers/web/json'), ['GET /containers/{id}/json', { id: 'web' }])
  assert.deepEqual(found('GET', '/containers/web/db/json'), ['GET /containers/{id}/json', { id: 'web/db' }], 'a link is a name of its target')
})

test('what is no route is none', () => {
  for (const [method, path] of [['GET', '/images/a/history'], ['GET', '/images//json'], ['POST', '/images/json'], ['GET', '/%zz'], ['GET', '/containers/a/b/c/json'], ['BREW', '/images/json']] as const) {
    assert.equal(found(method, path), undefined, path)
  }
})
