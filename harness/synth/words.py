"""English for a synthetic vocabulary, as texts of words separated by white space."""

from typing import Final

FREQUENT: Final = """
the and to a of in was is it he she they you that I with for on as at his her had be not this
have from but one were all by we there their an said so what up out if when them him me my who
no like or do then would could which been day time little big very some into went your now about
more than other see saw look can play friend happy named girl boy dog cat mom dad once upon
wanted go get make good new old people way back down two could first after well work our how its
over know long around man woman child children mother father found came take thought house home
water tree park ball toy bird fish sun sky red blue green again next life world because these
even most made want any give us just only many made must through such much where too may should
before own great never off might while last right say small place away here help name think hand
eye head turn move live find still let keep start city show under part close night walk white
begin seem country story every near sea late hard open left run food eat car together got group
often important until side feet mile four carry state miss idea enough face watch far really
almost above sometimes mountain cut young talk soon list song leave family body music color stop
stood question answer room knew began love heard best hour better during hundred five remember
step early hold west ground interest reach fast listen six table travel less morning ten simple
several toward war lay against pattern slow center person money serve appear road map rain rule
pull cold notice voice unit power town fine certain fly fall lead cry dark machine note wait plan
figure star box noun field rest correct able pound done beauty drive contain front teach week
final gave oh quick develop ocean warm free minute strong special mind behind clear tail produce
fact street inch nothing course stay wheel full force object decide surface deep moon island foot
system busy test record boat common gold possible plane age dry wonder laugh thousand ago ran
check game shape hot brought heat snow tire bring yes distant fill east paint language among
model memory kernel token number letter point page board image weight value error light sound
computer program question because another without something everything please thank sorry hello
"""

ENDINGS: Final = """
ing ed er ly es est tion ment ness able ful less ous al en ive ity ist ism ize ance ence ary ory
ant ent ish ship hood ward wise ure age dom th st nd rd ch sh qu ck gh ight ound ould
"""

# For larger vocabularies: syllables that sound like words, in any combination.
ONSETS: Final = "b br c ch d dr f fl g gr h j k l m n p pl qu r s sh sl st t th tr v w z"
VOWELS: Final = "a e i o u ea ou"
CODAS: Final = "n r l t s m nd st ck ng"
