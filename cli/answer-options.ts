/** The options of `hdcs templates answers` and `hdcs pools answers`. */
import type { Command } from 'commander'

export const answerOptions = (command: Command): Command =>
  command
    .option('--language <language>', 'language and country: en-US, zh-CN')
    .option('--time-zone <name>', 'as Windows calls it; empty: that of the image')
    .option('--keyboard <number>', 'as Windows numbers it: 0407:00000407; empty: that of the language')
    .option('--administrator <name>', 'an account that is made; empty: Windows’ own')
    .option('--unattend <file>', 'your own Unattend.xml with placeholders; empty: written of the settings')
    .option('--password', 'ask for the password of that account')
    .option('--product-key', 'ask for the product key')
    .option('--clear-password', 'remove the password that is kept')
    .option('--clear-product-key', 'remove the product key that is kept')
    .option('--none', 'nothing is answered')
