import { randomInt, type Random } from '../../../src/base/random.ts'

const MOODS = ['amber', 'bold', 'brave', 'bright', 'brisk', 'calm', 'clever', 'cool', 'curious', 'eager', 'fair', 'fleet', 'gentle', 'glad', 'keen', 'kind', 'lively', 'lucid', 'mellow',
  'merry', 'nimble', 'noble', 'patient', 'placid', 'proud', 'quick', 'quiet', 'serene', 'silver', 'steady', 'sunny', 'swift', 'tidal', 'vivid', 'wise', 'witty']
const FISH = ['anchovy', 'barbel', 'bass', 'bream', 'carp', 'char', 'cod', 'dab', 'dace', 'dorado', 'eel', 'flounder', 'goby', 'grayling', 'grouper', 'gurnard', 'haddock', 'hake', 'halibut',
  'herring', 'ling', 'mackerel', 'marlin', 'minnow', 'mullet', 'perch', 'pike', 'plaice', 'pollock', 'ray', 'roach', 'salmon', 'sardine', 'shad', 'smelt', 'sole', 'sprat', 'tench', 'trout', 'tuna', 'turbot', 'whiting', 'wrasse', 'zander']

/** A name for a container whose user gave none; `isTaken` says which are not free. */
export function generateName(random: Random, isTaken: (name: string) => boolean): string {
  for (let digits = 0; ; digits++) {
    const name = `${MOODS[randomInt(random, MOODS.length)]}_${FISH[randomInt(random, FISH.length)]}${digits === 0 ? '' : randomInt(random, 10 ** digits)}`
    if (!isTaken(name)) return name
  }
}
