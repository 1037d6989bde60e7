import type { RegistryConfig } from '../../agent/engine/registry/registry-config.ts'
import type { DaemonConfig } from './daemon-config.ts'

type Proxies = NonNullable<RegistryConfig['proxies']>

/** How registries are reached: by the configuration, else by the environment, as dockerd has it. Absent members: directly. */
export function proxiesOf({ httpProxy, httpsProxy, noProxy }: Pick<DaemonConfig, 'httpProxy' | 'httpsProxy' | 'noProxy'>, env: Readonly<Record<string, string | undefined>>): Proxies {
  const chosen = (configured: string, name: string): string | undefined => [configured, env[name], env[name.toLowerCase()]].find(text => text !== undefined && text !== '')
  return { http: chosen(httpProxy, 'HTTP_PROXY'), https: chosen(httpsProxy, 'HTTPS_PROXY'), none: chosen(noProxy, 'NO_PROXY') }
}

/** What may be shown of a proxy's URL. */
export function maskedProxy(url: string | undefined): string {
  if (url === undefined || !URL.canParse(url)) return url ?? ''
  const { username, password } = new URL(url)
  return username === '' && password === '' ? url : url.replace(/\/\/[^@/]*@/, '//xxxxx:xxxxx@')
}
