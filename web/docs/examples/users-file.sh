# docs-test: no-broker
set -e
. ./background-broker.sh

# [create]
echo correct-horse  | stompbox passwd users alice
echo battery-staple | stompbox passwd users backend --role service
stompbox passwd users --list
# [/create]

# [start]
stompbox --users-file users
# [/start]

# [login]
node login.mjs '{"login":"alice","passcode":"correct-horse"}'
node login.mjs '{"login":"alice","passcode":"wrong"}'
# [/login]

# [change]
echo horse-correct | stompbox passwd users alice --role editor
stompbox passwd users backend --delete
# [/change]
