import { accepted, refused, working } from './setting.ts'
import { integerType, LIST, TEXT } from './setting-types.ts'

/** Registries, and how to reach them. */
export const IMAGE_SETTINGS = {
  registryMirrors: working({ flag: '--registry-mirror <url>', key: 'registry-mirrors', type: LIST, fallback: [], reloadable: true, help: 'registry mirror' }),
  insecureRegistries: working({ flag: '--insecure-registry <name>', key: 'insecure-registries', type: LIST, fallback: [], reloadable: true, help: 'registry without TLS, or with a certificate nobody vouches for' }),
  downloadsMax: working({ flag: '--max-concurrent-downloads <count>', key: 'max-concurrent-downloads', type: integerType(1), fallback: 3, reloadable: true, help: 'layers downloaded at a time' }),
  uploadsMax: working({ flag: '--max-concurrent-uploads <count>', key: 'max-concurrent-uploads', type: integerType(1), fallback: 5, reloadable: true, help: 'layers uploaded at a time' }),
  downloadAttemptsMax: working({ flag: '--max-download-attempts <count>', key: 'max-download-attempts', type: integerType(1), fallback: 5, reloadable: true, help: 'attempts for each download' }),

  nondistributable: accepted({ flag: '--allow-nondistributable-artifacts <registry>', key: 'allow-nondistributable-artifacts', type: LIST, why: 'Docker dropped such layers; all are pushed' }),
  httpProxy: refused({ flag: '--http-proxy <url>', key: 'http-proxy', type: TEXT, unless: '', why: 'not there yet' }),
  httpsProxy: refused({ flag: '--https-proxy <url>', key: 'https-proxy', type: TEXT, unless: '', why: 'not there yet' }),
  noProxy: refused({ flag: '--no-proxy <hosts>', key: 'no-proxy', type: TEXT, unless: '', why: 'not there yet' }),
} as const
