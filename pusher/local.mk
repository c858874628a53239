# pusher
