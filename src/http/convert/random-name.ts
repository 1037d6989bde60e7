import { randomInt, type Random } from '../../base/random.ts'

const QUALITIES = ['amber', 'brave', 'calm', 'daring', 'eager', 'fluent', 'gentle', 'hardy', 'ivory', 'jolly', 'keen', 'lively', 'mellow', 'nimble', 'open', 'patient', 'quiet', 'rapid', 'steady', 'tidal', 'upbeat', 'vivid', 'warm', 'young', 'zesty']
const FISH = ['anchovy', 'barbel', 'carp', 'dory', 'eel', 'flounder', 'grayling', 'herring', 'ide', 'jack', 'koi', 'ling', 'mullet', 'nase', 'opah', 'perch', 'ray', 'sprat', 'tench', 'vendace', 'whiting', 'zander']

/** A name for what came without one: adjective_noun. Whoever needs it to be unique tries again. */
export function randomName(random: Random): string {
  return `${QUALITIES[randomInt(random, QUALITIES.length)]}_${FISH[randomInt(random, FISH.length)]}`
}
