import { accepted, working } from './setting.ts'
import { badConfig, integerType, LIST, TEXT, textType } from './setting-types.ts'

const PROXY = textType((text, name) => {
  if (text !== '' && !/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) throw badConfig(`invalid ${name}: give http://host:port or https://host:port`)
  return text
})

/** Registries, and how to reach them. */
export const IMAGE_SETTINGS = {
  registryMirrors: working({ flag: '--registry-mirror <url>', key: 'registry-mirrors', type: LIST, fallback: [], reloadable: true, help: 'registry mirror' }),
  insecureRegistries: working({ flag: '--insecure-registry <name>', key: 'insecure-registries', type: LIST, fallback: [], reloadable: true, help: 'registry without TLS, or with a certificate nobody vouches for' }),
  downloadsMax: working({ flag: '--max-concurrent-downloads <count>', key: 'max-concurrent-downloads', type: integerType(1), fallback: 3, reloadable: true, help: 'layers downloaded at a time' }),
  uploadsMax: working({ flag: '--max-concurrent-uploads <count>', key: 'max-concurrent-uploads', type: integerType(1), fallback: 5, reloadable: true, help: 'layers uploaded at a time' }),
  downloadAttemptsMax: working({ flag: '--max-download-attempts <count>', key: 'max-download-attempts', type: integerType(1), fallback: 5, reloadable: true, help: 'attempts for each download' }),

  nondistributable: accepted({ flag: '--allow-nondistributable-artifacts <registry>', key: 'allow-nondistributable-artifacts', type: LIST, why: 'Docker dropped such layers; all are pushed' }),
  httpProxy: working({ flag: '--http-proxy <url>', key: 'http-proxy', type: PROXY, fallback: '', help: 'proxy to registries; HTTP_PROXY of the environment when not given' }),
  httpsProxy: working({ flag: '--https-proxy <url>', key: 'https-proxy', type: PROXY, fallback: '', help: 'proxy for HTTPS; HTTPS_PROXY, or the proxy for HTTP, when not given' }),
  noProxy: working({ flag: '--no-proxy <hosts>', key: 'no-proxy', type: TEXT, fallback: '', help: 'hosts and domains reached without a proxy, with commas between; NO_PROXY when not given' }),
} as const
