/** The product's version; package.json has the same (checked by a test). */
export const VERSION = '0.1.0'
