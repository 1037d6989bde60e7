import { ShoalError } from '../../../src/base/errors.ts'
import type { Images } from '../engine.ts'
import { booleanFilter } from '../filters.ts'
import type { Registries } from './registries.ts'
import { decodeRegistryAuth } from './registry-config.ts'
import { HUB_DOMAIN } from './registry-endpoints.ts'
import { RegistryRefusal } from './registry-error.ts'

type SearchRequest = Parameters<NonNullable<Images['search']>>[0]
type Found = Readonly<Record<string, unknown>>

const HUB_INDEX = 'https://index.docker.io'
const LIMIT_DEFAULT = 25
const LIMIT_MAX = 100

/** Asks the index of version 1 of the registry that the term begins with, else Docker Hub's. @throws RegistryRefusal, RegistryUnreachable, `invalid-filter`, `bad-parameter` */
export async function searchIndex(registries: Registries, { term, limit = LIMIT_DEFAULT, filters, registryAuth }: SearchRequest, signal?: AbortSignal): Promise<readonly Found[]> {
  if (limit < 0 || limit > LIMIT_MAX) throw new ShoalError('invalid-argument', 'bad-parameter', `limit ${limit} is outside the range of [1, ${LIMIT_MAX}]`)
  const [isAutomated, isOfficial, stars] = [booleanFilter(filters, 'is-automated'), booleanFilter(filters, 'is-official'), starsOf(filters['stars'])]
  const { domain, rest } = splitTerm(term)
  const bases = domain === HUB_DOMAIN ? [{ url: HUB_INDEX, isInsecure: false }] : await registries.endpoints(domain, signal)
  const query = new URLSearchParams([['q', rest], ['n', String(limit || LIMIT_DEFAULT)]]).toString()
  const { username, password = '' } = decodeRegistryAuth(registryAuth)
  const headers = { 'x-docker-token': 'true', ...(username === undefined ? {} : { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }) }
  const { status, text } = await registries.get(bases.map(({ url }) => new URL(`${url}/v1/search?${query}`)), { headers, isInsecure: bases.some(({ isInsecure }) => isInsecure), signal })
  if (status !== 200) throw new RegistryRefusal(status, '', `Unexpected status code ${status}`)
  return resultsIn(text).filter(result => (isAutomated === undefined || (result['is_automated'] === true) === isAutomated)
    && (isOfficial === undefined || (result['is_official'] === true) === isOfficial) && Number(result['star_count'] ?? 0) >= stars)
}

/** "quay.io/coreos/etcd" names a registry, "coreos/etcd" does not. */
function splitTerm(term: string): { readonly domain: string; readonly rest: string } {
  if (term.includes('://')) throw new ShoalError('invalid-argument', 'bad-parameter', `invalid repository name: repository name (${term}) should not have a scheme`)
  const slash = term.indexOf('/')
  const first = slash < 0 ? '' : term.slice(0, slash)
  if (first === '' || (!/[.:]/.test(first) && first !== 'localhost')) return { domain: HUB_DOMAIN, rest: term.replace(/^library\//, '') }
  const isHub = first === HUB_DOMAIN || first === `index.${HUB_DOMAIN}`
  return { domain: isHub ? HUB_DOMAIN : first, rest: isHub ? term.slice(slash + 1).replace(/^library\//, '') : term.slice(slash + 1) }
}

/** The largest of them. */
function starsOf(values: readonly string[] = []): number {
  return Math.max(0, ...values.map(value => {
    if (!/^-?\d+$/.test(value)) throw new ShoalError('invalid-argument', 'invalid-filter', `invalid filter 'stars=${value}'`)
    return Number(value)
  }))
}

function resultsIn(text: string): readonly Found[] {
  try {
    const { results } = JSON.parse(text) as { readonly results?: unknown }
    if (results === null || results === undefined) return []
    if (Array.isArray(results)) return results.filter((result): result is Found => typeof result === 'object' && result !== null)
  } catch (cause) {
    throw new ShoalError('unknown', 'registry-refused', `the index does not answer with JSON: ${text.slice(0, 200)}`, { cause })
  }
  throw new ShoalError('unknown', 'registry-refused', 'the index does not answer with a list of results')
}
