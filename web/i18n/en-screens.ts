/** Screens of machines as administrators look at them. */
export const enScreens = {
  watch: {
    button: 'Screen',
    open: 'Screen of {{name}}',
    back: 'Back to its page',
    whose: 'This is the desktop of {{name}}, who does not see it while you do.',
    offText: 'It comes back by itself as soon as the machine runs.',
    heldTitle: '{{name}} is looking at this screen',
    heldText:
      'Since {{since}}. Only one at a time can show it: theirs goes dark and says that an administrator opened it.',
    heldByAdministrator:
      'As an administrator, since {{since}}. Only one at a time can show it: theirs goes dark and says so.',
    somebody: 'Somebody with another program',
    take: 'Take the screen',
    lostTitle: 'Somebody else opened this screen',
    picture: 'What {{name}} shows',
    pictureNow: 'Live',
    pictureOld: 'From {{seconds}} s ago',
    pictureWait: 'Taking a picture of its screen…',
    pictureNone: 'No picture of its screen',
    pictureOff: 'It shows nothing: it does not run.',
    takenTitle: 'An administrator opened this screen',
    takenText: 'Only one at a time can show it. Your programs keep running, and you can show it here again.',
  },
} as const
